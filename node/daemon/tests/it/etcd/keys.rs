//! Keys: what is written through one node is read through another, and what is refused is refused in etcd's words.

use futures::StreamExt;
use node_api::etcd::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use node_api::etcd::etcdserverpb::request_op::Request;
use node_api::etcd::etcdserverpb::response_op::Response;
use node_api::etcd::etcdserverpb::{
    CompactionRequest, Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use node_api::{Consistency, WriteOptions};
use tonic::Code;

use super::{Clients, bytes, get, prefix, put};
use crate::cluster::Cluster;

fn op(request: Request) -> RequestOp {
    RequestOp {
        request: Some(request),
    }
}

#[tokio::test]
async fn what_one_node_wrote_another_reads_and_the_data_interface_too() {
    let cluster = Cluster::form(3).await;
    let [a, b, c] = [0, 1, 2].map(|node| Clients::of(&cluster.nodes[node]));
    let first = a.put(put("k", "1")).await.unwrap().header.unwrap();
    assert_eq!(first.revision, 2, "an empty store is at revision 1");
    let previous = PutRequest {
        prev_kv: true,
        ..put("k", "2")
    };
    let answer = b.put(previous).await.unwrap();
    assert_eq!(answer.prev_kv.unwrap().value, "1");
    let found = c.range(get("k")).await.unwrap();
    let header = found.header.unwrap();
    assert_eq!((header.revision, header.cluster_id), (3, first.cluster_id));
    assert_ne!(header.member_id, first.member_id);
    let kv = &found.kvs[0];
    assert_eq!((kv.value.as_ref(), kv.version), (&b"2"[..], 2));
    assert_eq!((kv.create_revision, kv.mod_revision), (2, 3));

    let mut data = cluster.nodes[1].data();
    let value = data.get(b"k", &Consistency::Linearizable).await.unwrap();
    assert_eq!(value.unwrap().value, "2");
    data.put(b"k", bytes("3"), &WriteOptions::default())
        .await
        .unwrap();
    let then = RangeRequest {
        revision: 3,
        ..get("k")
    };
    let (now, then) = (a.range(get("k")).await, a.range(then).await);
    assert_eq!(now.unwrap().kvs[0].value, "3");
    assert_eq!(then.unwrap().kvs[0].value, "2");
}

#[tokio::test]
async fn a_transaction_answers_each_of_its_steps_on_every_node() {
    let cluster = Cluster::form(3).await;
    for (number, node) in cluster.nodes.iter().enumerate() {
        let key = format!("k{number}");
        let clients = Clients::of(node);
        clients.put(put(&key, "old")).await.unwrap();
        let request = TxnRequest {
            compare: vec![Compare {
                key: bytes(&key),
                result: CompareResult::Equal.into(),
                target: CompareTarget::Value.into(),
                target_union: Some(TargetUnion::Value(bytes("old"))),
                ..Compare::default()
            }],
            success: vec![
                op(Request::RequestRange(get(&key))),
                op(Request::RequestPut(PutRequest {
                    prev_kv: true,
                    ..put(&key, "new")
                })),
                op(Request::RequestRange(get(&key))),
                op(Request::RequestTxn(TxnRequest {
                    success: vec![op(Request::RequestDeleteRange(DeleteRangeRequest {
                        key: bytes("other"),
                        prev_kv: true,
                        ..DeleteRangeRequest::default()
                    }))],
                    ..TxnRequest::default()
                })),
            ],
            failure: vec![],
        };
        let mut kv = clients.kv.clone();
        clients.put(put("other", "gone")).await.unwrap();
        let answer = kv.txn(request.clone()).await.unwrap().into_inner();
        assert!(answer.succeeded);
        let responses: Vec<_> = answer
            .responses
            .into_iter()
            .map(|op| op.response.unwrap())
            .collect();
        let [
            Response::ResponseRange(before),
            Response::ResponsePut(done),
            Response::ResponseRange(after),
            Response::ResponseTxn(within),
        ] = responses.as_slice()
        else {
            panic!("{responses:?}")
        };
        assert_eq!(before.kvs[0].value, "old");
        assert_eq!(done.prev_kv.as_ref().unwrap().value, "old");
        assert_eq!(after.kvs[0].value, "new");
        let revision = answer.header.unwrap().revision;
        assert_eq!(after.kvs[0].mod_revision, revision);
        let Some(Response::ResponseDeleteRange(deleted)) = &within.responses[0].response else {
            panic!("{within:?}")
        };
        assert_eq!(deleted.deleted, 1);
        assert_eq!(deleted.prev_kvs[0].value, "gone");
        // The value is another one now.
        let again = kv.txn(request).await.unwrap().into_inner();
        assert!(!again.succeeded && again.responses.is_empty());
        assert_eq!(again.header.unwrap().revision, revision);
    }
}

#[tokio::test]
async fn what_is_refused_is_refused_in_etcds_words() {
    let cluster = Cluster::form(1).await;
    let clients = Clients::of(&cluster.nodes[0]);
    for value in ["1", "2", "3"] {
        clients.put(put("k", value)).await.unwrap();
    }
    let mut kv = clients.kv.clone();
    let compact = |revision| CompactionRequest {
        revision,
        physical: true,
    };
    kv.compact(compact(3)).await.unwrap();
    let at = |revision| RangeRequest {
        revision,
        ..get("k")
    };
    let found = clients.range(at(3)).await.unwrap();
    assert_eq!(found.kvs[0].value, "2");

    let twice = TxnRequest {
        success: vec![
            op(Request::RequestPut(put("k", "1"))),
            op(Request::RequestDeleteRange(DeleteRangeRequest {
                key: bytes("a"),
                range_end: bytes("z"),
                ..DeleteRangeRequest::default()
            })),
        ],
        ..TxnRequest::default()
    };
    let many = TxnRequest {
        success: vec![op(Request::RequestRange(get("k"))); 129],
        ..TxnRequest::default()
    };
    let ignoring = PutRequest {
        ignore_value: true,
        ..put("none", "")
    };
    let both = PutRequest {
        ignore_value: true,
        ..put("k", "v")
    };
    let leased = PutRequest {
        lease: 7,
        ..put("k", "v")
    };
    let sorted = RangeRequest {
        sort_order: 9,
        ..get("k")
    };
    let large = put("k", &"v".repeat(1_600_000));
    let cases = [
        (
            clients.range(at(2)).await.err(),
            Code::OutOfRange,
            "etcdserver: mvcc: required revision has been compacted",
        ),
        (
            clients.range(at(5)).await.err(),
            Code::OutOfRange,
            "etcdserver: mvcc: required revision is a future revision",
        ),
        (
            kv.compact(compact(3)).await.err(),
            Code::OutOfRange,
            "etcdserver: mvcc: required revision has been compacted",
        ),
        (
            kv.compact(compact(5)).await.err(),
            Code::OutOfRange,
            "etcdserver: mvcc: required revision is a future revision",
        ),
        (
            clients.range(get("")).await.err(),
            Code::InvalidArgument,
            "etcdserver: key is not provided",
        ),
        (
            clients.range(sorted).await.err(),
            Code::InvalidArgument,
            "etcdserver: invalid sort option",
        ),
        (
            kv.txn(twice).await.err(),
            Code::InvalidArgument,
            "etcdserver: duplicate key given in txn request",
        ),
        (
            kv.txn(many).await.err(),
            Code::InvalidArgument,
            "etcdserver: too many operations in txn request",
        ),
        (
            clients.put(ignoring).await.err(),
            Code::InvalidArgument,
            "etcdserver: key not found",
        ),
        (
            clients.put(both).await.err(),
            Code::InvalidArgument,
            "etcdserver: value is provided",
        ),
        (
            clients.put(leased).await.err(),
            Code::NotFound,
            "etcdserver: requested lease not found",
        ),
        (
            clients.put(large).await.err(),
            Code::InvalidArgument,
            "etcdserver: request is too large",
        ),
    ];
    for (refused, code, message) in cases {
        let refused = refused.expect(message);
        assert_eq!((refused.code(), refused.message()), (code, message));
    }
    let now = clients.range(get("k")).await.unwrap();
    assert_eq!(now.header.unwrap().revision, 4, "nothing was half done");
}

/// Its parts together are what one answer is, whatever is written meanwhile.
#[tokio::test]
async fn a_range_in_parts_is_of_one_revision() {
    let cluster = Cluster::form(1).await;
    let clients = Clients::of(&cluster.nodes[0]);
    for number in 0..300 {
        let value = "v".repeat(number * 40);
        clients
            .put(put(&format!("p/{number:03}"), &value))
            .await
            .unwrap();
    }
    for limit in [0, 1, 10, 11, 299, 300, 301] {
        let request = RangeRequest {
            limit,
            ..prefix("p/")
        };
        let whole = clients.range(request.clone()).await.unwrap();
        let pinned = RangeRequest {
            revision: whole.header.unwrap().revision,
            ..request
        };
        let mut parts = clients
            .kv
            .clone()
            .range_stream(pinned)
            .await
            .unwrap()
            .into_inner();
        let (mut kvs, mut last) = (Vec::new(), None);
        while let Some(part) = parts.next().await {
            let part = part.unwrap().range_response.unwrap();
            assert!(
                last.replace(part.header.is_some()) != Some(true),
                "one ends it"
            );
            kvs.extend(part.kvs);
            if part.header.is_some() {
                assert_eq!((part.count, part.more), (whole.count, whole.more));
            }
            clients.put(put("p/000", "changed")).await.unwrap();
        }
        assert_eq!(last, Some(true));
        assert_eq!(kvs, whole.kvs, "limit {limit}");
    }
}
