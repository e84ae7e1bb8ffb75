//! Users and roles: whoever may not do something may not do it on any node, or by any interface.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{iter, pending};
use node_api::etcd::Error;
use node_api::etcd::authpb::Permission;
use node_api::etcd::authpb::permission::Type;
use node_api::etcd::etcdserverpb::auth_client::AuthClient;
use node_api::etcd::etcdserverpb::watch_request::RequestUnion;
use node_api::etcd::etcdserverpb::{
    AuthEnableRequest, AuthRoleAddRequest, AuthRoleGrantPermissionRequest, AuthStatusRequest,
    AuthUserAddRequest, AuthUserChangePasswordRequest, AuthUserGrantRoleRequest,
    AuthUserRevokeRoleRequest, AuthenticateRequest, RangeRequest, WatchCreateRequest, WatchRequest,
};
use node_api::proto::data::data_client::DataClient;
use node_api::proto::data::write_reply::Outcome;
use node_api::proto::data::{Command, Put, WriteRequest, command};
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::{Clients, bytes, get, prefix, put};
use crate::cluster::Cluster;
use crate::deadline::{LONG, eventually};
use crate::process::Node;
use crate::requests::ask_with;

const ROOT: &str = "secret";

fn auth(node: &Node) -> AuthClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{}", node.bound.etcd)).unwrap();
    AuthClient::new(endpoint.connect_lazy())
}

async fn token(node: &Node, name: &str, password: &str) -> Result<String, Status> {
    let request = AuthenticateRequest {
        name: name.to_owned(),
        password: password.to_owned(),
    };
    let answer = auth(node).authenticate(request).await?;
    Ok(answer.into_inner().token)
}

/// A request with a token.
fn by<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let token = token.parse().unwrap();
    request.metadata_mut().insert("token", token);
    request
}

/// Makes root and `u`, who may read and write what begins with `u/`, and has everyone asked who they are.
async fn set_up(node: &Node) {
    let mut auth = auth(node);
    for (name, password) in [("root", ROOT), ("u", "pw")] {
        let request = AuthUserAddRequest {
            name: name.to_owned(),
            password: password.to_owned(),
            ..AuthUserAddRequest::default()
        };
        auth.user_add(request).await.unwrap();
    }
    let role = AuthRoleAddRequest { name: "r".into() };
    auth.role_add(role).await.unwrap();
    let permission = Permission {
        perm_type: Type::Readwrite.into(),
        key: bytes("u/"),
        range_end: bytes("u0"),
    };
    let request = AuthRoleGrantPermissionRequest {
        name: "r".into(),
        perm: Some(permission),
    };
    auth.role_grant_permission(request).await.unwrap();
    for (user, role) in [("root", "root"), ("u", "r")] {
        let request = AuthUserGrantRoleRequest {
            user: user.into(),
            role: role.into(),
        };
        auth.user_grant_role(request).await.unwrap();
    }
    auth.auth_enable(AuthEnableRequest {}).await.unwrap();
}

fn is(error: Error) -> impl Fn(Status) {
    move |status| {
        let got = (status.code(), status.message());
        assert_eq!(got, (error.code(), error.message()));
    }
}

#[tokio::test]
async fn a_token_is_good_on_every_node_until_the_password_changes() {
    let mut cluster = Cluster::form(3).await;
    set_up(&cluster.nodes[0]).await;
    let of_u = token(&cluster.nodes[1], "u", "pw").await.unwrap();
    let of_root = token(&cluster.nodes[2], "root", ROOT).await.unwrap();
    is(Error::AuthFailed)(token(&cluster.nodes[0], "u", "wrong").await.unwrap_err());
    is(Error::AuthFailed)(token(&cluster.nodes[0], "nobody", "pw").await.unwrap_err());
    for node in &cluster.nodes {
        let mut kv = Clients::of(node).kv;
        kv.put(by(&of_u, put("u/a", "1"))).await.unwrap();
        kv.range(by(&of_u, prefix("u/"))).await.unwrap();
        is(Error::PermissionDenied)(kv.put(by(&of_u, put("v", "1"))).await.unwrap_err());
        is(Error::PermissionDenied)(kv.range(by(&of_u, prefix("u"))).await.unwrap_err());
        is(Error::UserEmpty)(kv.range(get("u/a")).await.unwrap_err());
        is(Error::UserEmpty)(kv.put(put("u/a", "1")).await.unwrap_err());
        is(Error::InvalidAuthToken)(kv.range(by("none", get("u/a"))).await.unwrap_err());
        kv.put(by(&of_root, put("v", "1"))).await.unwrap();
    }
    // What changes elsewhere does not end a token, and a start neither.
    let role = AuthRoleAddRequest { name: "s".into() };
    auth(&cluster.nodes[0])
        .role_add(by(&of_root, role))
        .await
        .unwrap();
    cluster.nodes[1].kill();
    cluster.nodes[1].start();
    cluster.until_ready(1).await;
    let mut kv = Clients::of(&cluster.nodes[1]).kv;
    kv.put(by(&of_u, put("u/a", "2"))).await.unwrap();

    let request = AuthUserChangePasswordRequest {
        name: "u".into(),
        password: "other".into(),
        ..AuthUserChangePasswordRequest::default()
    };
    let mut first = auth(&cluster.nodes[0]);
    let changing = first.user_change_password(by(&of_root, request));
    changing.await.unwrap();
    for node in &cluster.nodes {
        let mut kv = Clients::of(node).kv;
        is(Error::InvalidAuthToken)(kv.range(by(&of_u, get("u/a"))).await.unwrap_err());
        is(Error::InvalidAuthToken)(kv.put(by(&of_u, put("u/a", "3"))).await.unwrap_err());
    }
    let again = token(&cluster.nodes[0], "u", "other").await.unwrap();
    kv.put(by(&again, put("u/a", "3"))).await.unwrap();
}

/// The status of the answer.
async fn status(address: &str, method: &str, target: &str, headers: &str, body: &str) -> String {
    let answer = ask_with(address, method, target, headers, body).await;
    let status = answer.split(' ').nth(1).expect("a line of status");
    status.to_owned()
}

#[tokio::test]
async fn the_data_interface_asks_too() {
    let cluster = Cluster::form(1).await;
    let node = &cluster.nodes[0];
    let http = &node.bound.http;
    assert_eq!(status(http, "PUT", "/db/v", "", "1").await, "201");
    set_up(node).await;
    let token = token(node, "u", "pw").await.unwrap();
    let of_u = format!("authorization: Bearer {token}\r\n");
    let bad = "authorization: Bearer none\r\n";
    for (method, path, nobody, user) in [
        ("GET", "/db/u/a", "401", "404"),
        ("GET", "/db/v", "401", "403"),
        ("GET", "/db?prefix=u/", "401", "200"),
        ("GET", "/db?prefix=u", "401", "403"),
        ("GET", "/db", "401", "403"),
        ("GET", "/cluster", "200", "200"),
        ("PUT", "/db/u/a", "401", "201"),
        ("PUT", "/db/v", "401", "403"),
        ("DELETE", "/db/u/a", "401", "200"),
        ("DELETE", "/db/v", "401", "403"),
    ] {
        let body = if method == "PUT" { "2" } else { "" };
        assert_eq!(status(http, method, path, "", body).await, nobody, "{path}");
        assert_eq!(
            status(http, method, path, bad, body).await,
            nobody,
            "{path}"
        );
        assert_eq!(
            status(http, method, path, &of_u, body).await,
            user,
            "{path}"
        );
    }

    let write = |key: &str| WriteRequest {
        commands: vec![Command {
            command: Some(command::Command::Put(Put {
                key: bytes(key),
                value: Bytes::new(),
            })),
        }],
        request_id: String::new(),
    };
    let mut streams = DataClient::connect(format!("http://{http}")).await.unwrap();
    let mut request = Request::new(iter(["u/b", "v", "u/c"].map(write)));
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    let mut replies = streams.write(request).await.unwrap().into_inner();
    let mut statuses = Vec::new();
    while let Some(reply) = replies.message().await.unwrap() {
        statuses.push(match reply.outcome.unwrap() {
            Outcome::Written(_) => 200,
            Outcome::Refusal(refusal) => refusal.status,
        });
    }
    assert_eq!(statuses, [200, 403, 200]);

    // And the gateway of JSON, which takes the bare token.
    let (etcd, path, body) = (&node.bound.etcd, "/v3/kv/range", "{\"key\": \"dS9i\"}");
    assert_eq!(status(etcd, "POST", path, "", body).await, "400");
    let bare = format!("authorization: {token}\r\n");
    assert_eq!(status(etcd, "POST", path, &bare, body).await, "200");
}

/// A request id stands for what is asked, not for who asks or since when.
#[tokio::test]
async fn a_request_id_is_good_while_users_and_roles_change() {
    let cluster = Cluster::form(1).await;
    let node = &cluster.nodes[0];
    let http = &node.bound.http;
    let id = "kluster-request-id: r1\r\n";
    assert_eq!(status(http, "PUT", "/db/u/a", id, "1").await, "201");
    set_up(node).await;
    let token = token(node, "u", "pw").await.unwrap();
    let of_u = format!("{id}authorization: Bearer {token}\r\n");
    assert_eq!(status(http, "PUT", "/db/u/a", &of_u, "1").await, "201");
    assert_eq!(status(http, "PUT", "/db/u/a", &of_u, "2").await, "422");
}

#[tokio::test]
async fn a_watch_ends_when_its_client_may_not_read_any_more() {
    let cluster = Cluster::form(1).await;
    let node = &cluster.nodes[0];
    set_up(node).await;
    let of_u = token(node, "u", "pw").await.unwrap();
    let of_root = token(node, "root", ROOT).await.unwrap();
    let clients = Clients::of(node);
    let create = |RangeRequest { key, range_end, .. }| WatchRequest {
        request_union: Some(RequestUnion::CreateRequest(WatchCreateRequest {
            key,
            range_end,
            ..WatchCreateRequest::default()
        })),
    };
    let asked = iter([create(get("v")), create(prefix("u/"))]).chain(pending());
    let mut watch = clients.watch.clone();
    let watching = watch.watch(by(&of_u, asked));
    let mut told = watching.await.unwrap().into_inner();
    let refused = told.message().await.unwrap().unwrap();
    assert!(refused.created && refused.canceled && refused.watch_id == -1);
    assert!(
        refused
            .cancel_reason
            .ends_with("etcdserver: permission denied")
    );
    let created = told.message().await.unwrap().unwrap();
    assert!(created.created && !created.canceled);

    let mut kv = clients.kv.clone();
    kv.put(by(&of_root, put("u/a", "1"))).await.unwrap();
    let event = timeout(LONG, told.message()).await.unwrap();
    assert_eq!(event.unwrap().unwrap().events.len(), 1);
    let revoke = AuthUserRevokeRoleRequest {
        name: "u".into(),
        role: "r".into(),
    };
    auth(node)
        .user_revoke_role(by(&of_root, revoke))
        .await
        .unwrap();
    kv.put(by(&of_root, put("u/a", "2"))).await.unwrap();
    let over = timeout(LONG, told.message()).await.unwrap();
    let over = over.unwrap().unwrap();
    assert!(over.canceled && over.events.is_empty());
    assert!(
        over.cancel_reason
            .ends_with("etcdserver: permission denied")
    );
}

#[tokio::test]
async fn root_is_made_with_the_password_in_a_file() {
    let mut cluster = Cluster::start(0);
    for _ in 0..3 {
        let node = cluster.add_stopped();
        let node = &mut cluster.nodes[node];
        let file = node.config_file().with_file_name("password");
        std::fs::write(&file, format!("{ROOT}\n")).unwrap();
        node.configure(&format!("[auth]\nroot_password_file = {file:?}\n"));
        node.start();
    }
    let cluster = cluster.formed().await;
    let node = &cluster.nodes[0];
    eventually("users are asked", async || {
        let status = auth(node).auth_status(AuthStatusRequest {}).await;
        match status
            .map_err(|error| error.to_string())?
            .into_inner()
            .enabled
        {
            true => Ok(()),
            false => Err("nobody is asked yet".to_owned()),
        }
    })
    .await;
    let mut kv = Clients::of(node).kv;
    is(Error::UserEmpty)(kv.range(get("a")).await.unwrap_err());
    let token = token(node, "root", ROOT).await.unwrap();
    kv.put(by(&token, put("a", "1"))).await.unwrap();
}
