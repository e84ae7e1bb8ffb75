//! Why etcd cancels a watch, in the words of its responses.

/// What [`WatchResponse::cancel_reason`](crate::etcd::etcdserverpb::WatchResponse::cancel_reason) holds when a watch is
/// refused as it is created.
///
/// It is empty where the client cancelled the watch, and where the history that a watch still needs was compacted:
/// `compact_revision` says that. A stream that ends as a whole does so with an [`Error`](crate::etcd::Error) instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CancelReason {
    /// The first revision is below zero (`v3rpc/watch.go`).
    Compacted,
    /// The range ends before it begins (`storage/mvcc/watcher.go`).
    EmptyRange,
    /// Another watch of this stream has the id (`storage/mvcc/watcher.go`).
    DuplicateId,
    /// The token is unknown or has ended (`v3rpc/watch.go`).
    InvalidAuthToken,
    /// The token is older than the last change of users or roles (`v3rpc/watch.go`).
    AuthOldRevision,
    /// There is no token, and authentication is on (`v3rpc/watch.go`).
    UserEmpty,
    /// The user may not read the range, or any other failure to find that out (`v3rpc/watch.go`).
    PermissionDenied,
}

impl CancelReason {
    /// The text, to the letter: those of authentication are whole errors of gRPC as Go prints them, the others are not.
    pub const fn as_str(self) -> &'static str {
        match self {
            CancelReason::Compacted => "etcdserver: mvcc: required revision has been compacted",
            CancelReason::EmptyRange => "mvcc: watcher range is empty",
            CancelReason::DuplicateId => "mvcc: duplicate watch ID provided on the WatchStream",
            CancelReason::InvalidAuthToken => {
                "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token"
            }
            CancelReason::AuthOldRevision => {
                "rpc error: code = InvalidArgument desc = etcdserver: revision of auth store is old"
            }
            CancelReason::UserEmpty => {
                "rpc error: code = InvalidArgument desc = etcdserver: user name is empty"
            }
            CancelReason::PermissionDenied => {
                "rpc error: code = PermissionDenied desc = etcdserver: permission denied"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::Error;

    #[test]
    fn reasons_of_authentication_are_errors_as_go_prints_them() {
        let check = |reason: CancelReason, error: Error| {
            let (code, message) = (error.code(), error.message());
            let printed = format!("rpc error: code = {code:?} desc = {message}");
            assert_eq!(reason.as_str(), printed);
        };
        check(CancelReason::InvalidAuthToken, Error::InvalidAuthToken);
        check(CancelReason::AuthOldRevision, Error::AuthOldRevision);
        check(CancelReason::UserEmpty, Error::UserEmpty);
        check(CancelReason::PermissionDenied, Error::PermissionDenied);
    }

    #[test]
    fn a_compacted_revision_is_named_as_in_the_table() {
        assert_eq!(CancelReason::Compacted.as_str(), Error::Compacted.message());
    }
}
