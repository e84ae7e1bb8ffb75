//! The quota of a node, and the alarm that comes of it.

use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::alarm_request::AlarmAction;
use node_api::etcd::etcdserverpb::request_op::Request;
use node_api::etcd::etcdserverpb::{
    AlarmMember, AlarmRequest, AlarmType, CompactionRequest, DeleteRangeRequest, LeaseGrantRequest,
    RequestOp, StatusRequest, StatusResponse, TxnRequest,
};
use node_api::{DataError, ErrorCode};

use super::{Clients, bytes, get, put};
use crate::cluster::Cluster;
use crate::requests::ask;

const QUOTA_BYTES: i64 = 1_000_000;

/// A cluster of three, whose first node has less room than the others.
async fn narrow() -> Cluster {
    let mut cluster = Cluster::start(0);
    for number in 0..3 {
        cluster.add_stopped();
        if number == 0 {
            cluster.nodes[0].configure(&format!("[kv]\nquota_bytes = {QUOTA_BYTES}\n"));
        }
        cluster.nodes[number].start();
    }
    cluster.formed().await
}

async fn alarms(clients: &Clients, action: AlarmAction, of: AlarmMember) -> Vec<AlarmMember> {
    let request = AlarmRequest {
        action: action.into(),
        member_id: of.member_id,
        alarm: of.alarm,
    };
    let answer = clients.maintenance.clone().alarm(request).await.unwrap();
    answer.into_inner().alarms
}

async fn status(clients: &Clients) -> StatusResponse {
    let answer = clients.maintenance.clone().status(StatusRequest {}).await;
    answer.unwrap().into_inner()
}

#[track_caller]
fn assert_no_space<T: std::fmt::Debug>(answer: Result<T, tonic::Status>) {
    let error = answer.unwrap_err();
    assert_eq!(error.code(), tonic::Code::ResourceExhausted);
    assert_eq!(error.message(), Error::NoSpace.message());
}

/// A transaction that does this in the branch that is not taken.
fn txn(request: Request) -> TxnRequest {
    TxnRequest {
        compare: Vec::new(),
        success: Vec::new(),
        failure: vec![RequestOp {
            request: Some(request),
        }],
    }
}

/// Writes through the narrow node until it refuses one; gives how many there were.
async fn fill(clients: &Clients) -> usize {
    let value = "v".repeat(100_000);
    for number in 0..20 {
        if let Err(refused) = clients.put(put(&format!("k{number}"), &value)).await {
            assert_no_space::<()>(Err(refused));
            return number;
        }
    }
    panic!("there is no quota");
}

#[tokio::test]
async fn a_node_without_room_has_every_node_refuse_what_takes_some() {
    let cluster = narrow().await;
    let clients: Vec<_> = cluster.nodes.iter().map(Clients::of).collect();
    let narrow = cluster.status(0).await.member_id;
    assert_eq!(fill(&clients[0]).await, 9, "100,067 bytes each");

    let raised = AlarmMember {
        member_id: narrow,
        alarm: AlarmType::Nospace.into(),
    };
    let none = AlarmMember::default();
    for client in &clients {
        assert_eq!(alarms(client, AlarmAction::Get, none).await, [raised]);
        assert_no_space(client.put(put("a", "1")).await);
        let put = txn(Request::RequestPut(put("a", "1")));
        assert_no_space(client.kv.clone().txn(put).await);
        let grant = LeaseGrantRequest { ttl: 60, id: 7 };
        assert_no_space(client.lease.clone().lease_grant(grant).await);
        let found = client.range(get("k8")).await.unwrap();
        assert_eq!(found.count, 1);
    }
    let corrupt = AlarmMember {
        member_id: 0,
        alarm: AlarmType::Corrupt.into(),
    };
    assert_eq!(alarms(&clients[1], AlarmAction::Get, corrupt).await, []);
    let mut data = cluster.nodes[2].data();
    let refused = data.put(b"a", bytes("1"), &Default::default()).await;
    let is = matches!(
        refused,
        Err(DataError::Unavailable {
            code: Some(ErrorCode::NoSpace),
            ..
        })
    );
    assert!(is, "{refused:?}");

    let said = status(&clients[0]).await;
    assert_eq!(said.db_size_quota, QUOTA_BYTES);
    assert!((900_000..QUOTA_BYTES).contains(&said.db_size), "{said:?}");
    assert_eq!(said.errors, [format!("memberID:{narrow} alarm:NOSPACE")]);
    let other = status(&clients[1]).await;
    assert_eq!(
        (other.db_size_quota, other.db_size),
        (8 << 30, said.db_size)
    );

    // An alarm that ends while there is no room comes back with the next write.
    assert_eq!(
        alarms(&clients[1], AlarmAction::Deactivate, raised).await,
        [raised]
    );
    assert_eq!(
        alarms(&clients[1], AlarmAction::Deactivate, raised).await,
        []
    );
    let value = "v".repeat(100_000);
    assert_no_space(clients[0].put(put("k9", &value)).await);
    assert_eq!(alarms(&clients[2], AlarmAction::Get, none).await, [raised]);

    // What is deleted and compacted makes room.
    let delete = DeleteRangeRequest {
        key: bytes("k"),
        range_end: bytes("l"),
        prev_kv: false,
    };
    let mut delete = txn(Request::RequestDeleteRange(delete));
    std::mem::swap(&mut delete.success, &mut delete.failure);
    let deleted = clients[0].kv.clone().txn(delete).await.unwrap();
    let revision = deleted.into_inner().header.unwrap().revision;
    let compact = CompactionRequest {
        revision,
        physical: false,
    };
    clients[1].kv.clone().compact(compact).await.unwrap();
    assert_no_space(clients[1].put(put("a", "1")).await);
    assert_eq!(
        alarms(&clients[0], AlarmAction::Deactivate, raised).await,
        [raised]
    );
    assert_eq!(fill(&clients[0]).await, 9);
}

#[tokio::test]
async fn health_is_bad_while_there_is_an_alarm_that_is_not_left_out() {
    let cluster = Cluster::form(1).await;
    let (clients, address) = (Clients::of(&cluster.nodes[0]), &cluster.nodes[0].bound.etcd);
    let health = async |query: &str| ask(address, "GET", &format!("/health{query}")).await;
    let good = ("200", r#"{"health":"true","reason":""}"#);
    let no_space = ("503", r#"{"health":"false","reason":"ALARM NOSPACE"}"#);
    let corrupt = ("503", r#"{"health":"false","reason":"ALARM CORRUPT"}"#);
    let expect = async |query: &str, (code, body): (&str, &str)| {
        let answer = health(query).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{answer}");
        assert!(answer.ends_with(body), "{query}: {answer}");
    };
    expect("", good).await;
    for alarm in [AlarmType::Nospace, AlarmType::Corrupt] {
        let alarm = AlarmMember {
            member_id: 5,
            alarm: alarm.into(),
        };
        let raised = alarms(&clients, AlarmAction::Activate, alarm).await;
        assert_eq!(raised, [alarm]);
    }
    expect("", no_space).await;
    expect("?exclude=NOSPACE", corrupt).await;
    expect("?exclude=NOSPACE&exclude=CORRUPT", good).await;
    let delete = DeleteRangeRequest {
        key: bytes("a"),
        ..DeleteRangeRequest::default()
    };
    let refused = clients.kv.clone().delete_range(delete).await.unwrap_err();
    assert_eq!(refused.message(), Error::Corrupt.message());
}
