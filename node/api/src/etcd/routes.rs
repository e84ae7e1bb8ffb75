//! The paths of etcd's HTTP gateway, taken from the options `google.api.http` of its protobuf files.

/// One path of the gateway and the gRPC method that it stands for.
///
/// Each is a `POST` whose body is the request as JSON, and whose answer is the response as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The HTTP path, such as `/v3/kv/range`.
    pub path: &'static str,
    /// The gRPC path, such as `/etcdserverpb.KV/Range`.
    pub method: &'static str,
}

/// Every path of the gateway. Some methods have two; `RangeStream` alone has none, as etcd's authors meant it.
pub const ROUTES: &[Route] = &[
    post("/v3/kv/range", "/etcdserverpb.KV/Range"),
    post("/v3/kv/put", "/etcdserverpb.KV/Put"),
    post("/v3/kv/deleterange", "/etcdserverpb.KV/DeleteRange"),
    post("/v3/kv/txn", "/etcdserverpb.KV/Txn"),
    post("/v3/kv/compaction", "/etcdserverpb.KV/Compact"),
    post("/v3/watch", "/etcdserverpb.Watch/Watch"),
    post("/v3/lease/grant", "/etcdserverpb.Lease/LeaseGrant"),
    post("/v3/lease/revoke", "/etcdserverpb.Lease/LeaseRevoke"),
    post("/v3/kv/lease/revoke", "/etcdserverpb.Lease/LeaseRevoke"),
    post("/v3/lease/keepalive", "/etcdserverpb.Lease/LeaseKeepAlive"),
    post(
        "/v3/lease/timetolive",
        "/etcdserverpb.Lease/LeaseTimeToLive",
    ),
    post(
        "/v3/kv/lease/timetolive",
        "/etcdserverpb.Lease/LeaseTimeToLive",
    ),
    post("/v3/lease/leases", "/etcdserverpb.Lease/LeaseLeases"),
    post("/v3/kv/lease/leases", "/etcdserverpb.Lease/LeaseLeases"),
    post("/v3/cluster/member/add", "/etcdserverpb.Cluster/MemberAdd"),
    post(
        "/v3/cluster/member/remove",
        "/etcdserverpb.Cluster/MemberRemove",
    ),
    post(
        "/v3/cluster/member/update",
        "/etcdserverpb.Cluster/MemberUpdate",
    ),
    post(
        "/v3/cluster/member/list",
        "/etcdserverpb.Cluster/MemberList",
    ),
    post(
        "/v3/cluster/member/promote",
        "/etcdserverpb.Cluster/MemberPromote",
    ),
    post("/v3/maintenance/alarm", "/etcdserverpb.Maintenance/Alarm"),
    post("/v3/maintenance/status", "/etcdserverpb.Maintenance/Status"),
    post(
        "/v3/maintenance/defragment",
        "/etcdserverpb.Maintenance/Defragment",
    ),
    post("/v3/maintenance/hash", "/etcdserverpb.Maintenance/Hash"),
    post("/v3/maintenance/hashkv", "/etcdserverpb.Maintenance/HashKV"),
    post(
        "/v3/maintenance/snapshot",
        "/etcdserverpb.Maintenance/Snapshot",
    ),
    post(
        "/v3/maintenance/transfer-leadership",
        "/etcdserverpb.Maintenance/MoveLeader",
    ),
    post(
        "/v3/maintenance/downgrade",
        "/etcdserverpb.Maintenance/Downgrade",
    ),
    post("/v3/auth/enable", "/etcdserverpb.Auth/AuthEnable"),
    post("/v3/auth/disable", "/etcdserverpb.Auth/AuthDisable"),
    post("/v3/auth/status", "/etcdserverpb.Auth/AuthStatus"),
    post("/v3/auth/authenticate", "/etcdserverpb.Auth/Authenticate"),
    post("/v3/auth/user/add", "/etcdserverpb.Auth/UserAdd"),
    post("/v3/auth/user/get", "/etcdserverpb.Auth/UserGet"),
    post("/v3/auth/user/list", "/etcdserverpb.Auth/UserList"),
    post("/v3/auth/user/delete", "/etcdserverpb.Auth/UserDelete"),
    post(
        "/v3/auth/user/changepw",
        "/etcdserverpb.Auth/UserChangePassword",
    ),
    post("/v3/auth/user/grant", "/etcdserverpb.Auth/UserGrantRole"),
    post("/v3/auth/user/revoke", "/etcdserverpb.Auth/UserRevokeRole"),
    post("/v3/auth/role/add", "/etcdserverpb.Auth/RoleAdd"),
    post("/v3/auth/role/get", "/etcdserverpb.Auth/RoleGet"),
    post("/v3/auth/role/list", "/etcdserverpb.Auth/RoleList"),
    post("/v3/auth/role/delete", "/etcdserverpb.Auth/RoleDelete"),
    post(
        "/v3/auth/role/grant",
        "/etcdserverpb.Auth/RoleGrantPermission",
    ),
    post(
        "/v3/auth/role/revoke",
        "/etcdserverpb.Auth/RoleRevokePermission",
    ),
    post("/v3/lock/lock", "/v3lockpb.Lock/Lock"),
    post("/v3/lock/unlock", "/v3lockpb.Lock/Unlock"),
    post("/v3/election/campaign", "/v3electionpb.Election/Campaign"),
    post("/v3/election/proclaim", "/v3electionpb.Election/Proclaim"),
    post("/v3/election/leader", "/v3electionpb.Election/Leader"),
    post("/v3/election/observe", "/v3electionpb.Election/Observe"),
    post("/v3/election/resign", "/v3electionpb.Election/Resign"),
];

const fn post(path: &'static str, method: &'static str) -> Route {
    Route { path, method }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const PROTOS: [&str; 3] = [
        include_str!("../../proto/etcd/api/etcdserverpb/rpc.proto"),
        include_str!("../../proto/etcd/server/v3electionpb/v3election.proto"),
        include_str!("../../proto/etcd/server/v3lockpb/v3lock.proto"),
    ];

    /// The gRPC path of each method that a protobuf file declares.
    fn methods(proto: &str) -> Vec<String> {
        let word = |text: &str| {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric());
            text.split_at(end.unwrap_or(text.len())).0.to_owned()
        };
        let (mut package, mut service, mut methods) = (String::new(), String::new(), Vec::new());
        for line in proto.lines().map(str::trim_start) {
            if let Some(rest) = line.strip_prefix("package ") {
                package = word(rest);
            } else if let Some(rest) = line.strip_prefix("service ") {
                service = word(rest);
            } else if let Some(rest) = line.strip_prefix("rpc ") {
                methods.push(format!("/{package}.{service}/{}", word(rest)));
            }
        }
        methods
    }

    #[test]
    fn every_method_but_one_has_a_path() {
        let mut declared: BTreeSet<String> =
            PROTOS.iter().flat_map(|proto| methods(proto)).collect();
        assert!(declared.remove("/etcdserverpb.KV/RangeStream"));
        let routed: BTreeSet<String> = ROUTES.iter().map(|r| r.method.to_owned()).collect();
        assert_eq!(routed, declared);
    }

    #[test]
    fn a_path_stands_for_one_method() {
        let paths: BTreeSet<&str> = ROUTES.iter().map(|route| route.path).collect();
        assert_eq!(paths.len(), ROUTES.len());
        assert!(paths.iter().all(|path| path.starts_with("/v3/")));
    }
}
