//! The errors of etcd 3.7.3 as its clients see them: a code of gRPC, and a message that clients compare.
//!
//! Go's client tells errors apart by their messages alone. The services `Lock` and `Election`, which are clients of their own
//! server, send nearly all of the table with the code `Unknown`. What is not here: texts with numbers in them, which gRPC itself
//! makes, such as that of a message past its size limit.

use tonic::{Code, Status};

/// Writes the table out as the enum, its lists and its two columns.
macro_rules! errors {
    (
        listed { $($(#[$note:meta])* $name:ident = $code:ident, $message:literal;)* }
        others { $($(#[$other_note:meta])* $other:ident = $other_code:ident, $other_message:literal;)* }
    ) => {
        /// An error of etcd.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
        #[error("{}", self.message())]
        pub enum Error {
            $(
                #[doc = concat!("`", stringify!($code), "`: ", $message, ".")]
                #[doc = ""]
                $(#[$note])*
                $name,
            )*
            $(
                #[doc = concat!("`", stringify!($other_code), "`: ", $other_message, ".")]
                #[doc = ""]
                $(#[$other_note])*
                $other,
            )*
        }

        impl Error {
            /// The errors of etcd's own table, `api/v3rpc/rpctypes/error.go`, in its order.
            pub const LISTED: &[Error] = &[$(Error::$name),*];

            /// What clients see besides, each with the place that it comes from.
            pub const OTHERS: &[Error] = &[$(Error::$other),*];

            /// The code of gRPC.
            pub const fn code(self) -> Code {
                match self {
                    $(Error::$name => Code::$code,)*
                    $(Error::$other => Code::$other_code,)*
                }
            }

            /// The message, to the letter.
            pub const fn message(self) -> &'static str {
                match self {
                    $(Error::$name => $message,)*
                    $(Error::$other => $other_message,)*
                }
            }
        }
    };
}

errors! {
    listed {
        EmptyKey = InvalidArgument, "etcdserver: key is not provided";
        KeyNotFound = InvalidArgument, "etcdserver: key not found";
        ValueProvided = InvalidArgument, "etcdserver: value is provided";
        LeaseProvided = InvalidArgument, "etcdserver: lease is provided";
        TooManyOps = InvalidArgument, "etcdserver: too many operations in txn request";
        DuplicateKey = InvalidArgument, "etcdserver: duplicate key given in txn request";
        InvalidClientApiVersion = InvalidArgument, "etcdserver: invalid client api version";
        InvalidSortOption = InvalidArgument, "etcdserver: invalid sort option";
        Compacted = OutOfRange, "etcdserver: mvcc: required revision has been compacted";
        FutureRev = OutOfRange, "etcdserver: mvcc: required revision is a future revision";
        NoSpace = ResourceExhausted, "etcdserver: mvcc: database space exceeded";
        LeaseNotFound = NotFound, "etcdserver: requested lease not found";
        LeaseExist = FailedPrecondition, "etcdserver: lease already exists";
        LeaseTtlTooLarge = OutOfRange, "etcdserver: too large lease TTL";
        /// The end of a stream of watches that the client or a stopping server cancelled.
        WatchCanceled = Cancelled, "etcdserver: watch canceled";
        MemberExist = FailedPrecondition, "etcdserver: member ID already exist";
        PeerUrlExist = FailedPrecondition, "etcdserver: Peer URLs already exists";
        /// etcd sends it with the code `Unknown` all the same: `v3rpc/util.go` takes the client's error of this name, which
        /// is none of gRPC's.
        MemberNotEnoughStarted = FailedPrecondition, "etcdserver: re-configuration failed due to not enough started members";
        MemberBadUrls = InvalidArgument, "etcdserver: given member URLs are invalid";
        MemberNotFound = NotFound, "etcdserver: member not found";
        MemberNotLearner = FailedPrecondition, "etcdserver: can only promote a learner member";
        LearnerNotReady = FailedPrecondition, "etcdserver: can only promote a learner member which is in sync with leader";
        TooManyLearners = FailedPrecondition, "etcdserver: too many learner members in cluster";
        ClusterIdMismatch = FailedPrecondition, "etcdserver: cluster ID mismatch";
        /// The request is past the limit of one entry of the log; past that of one message it is gRPC that refuses.
        RequestTooLarge = InvalidArgument, "etcdserver: request is too large";
        /// etcd sends it with the code `Unknown`, for the same reason as [`Error::MemberNotEnoughStarted`].
        RequestTooManyRequests = ResourceExhausted, "etcdserver: too many requests";
        RootUserNotExist = FailedPrecondition, "etcdserver: root user does not exist";
        RootRoleNotExist = FailedPrecondition, "etcdserver: root user does not have root role";
        UserAlreadyExist = FailedPrecondition, "etcdserver: user name already exists";
        UserEmpty = InvalidArgument, "etcdserver: user name is empty";
        UserNotFound = FailedPrecondition, "etcdserver: user name not found";
        RoleAlreadyExist = FailedPrecondition, "etcdserver: role name already exists";
        RoleNotFound = FailedPrecondition, "etcdserver: role name not found";
        RoleEmpty = InvalidArgument, "etcdserver: role name is empty";
        AuthFailed = InvalidArgument, "etcdserver: authentication failed, invalid user ID or password";
        PermissionNotGiven = InvalidArgument, "etcdserver: permission not given";
        PermissionDenied = PermissionDenied, "etcdserver: permission denied";
        RoleNotGranted = FailedPrecondition, "etcdserver: role is not granted to the user";
        PermissionNotGranted = FailedPrecondition, "etcdserver: permission is not granted to the role";
        AuthNotEnabled = FailedPrecondition, "etcdserver: authentication is not enabled";
        InvalidAuthToken = Unauthenticated, "etcdserver: invalid auth token";
        InvalidAuthMgmt = InvalidArgument, "etcdserver: invalid auth management";
        AuthOldRevision = InvalidArgument, "etcdserver: revision of auth store is old";
        /// Also the end of a stream that asked for a leader by the metadata `hasleader`.
        NoLeader = Unavailable, "etcdserver: no leader";
        /// Only of `MoveLeader`: other requests are passed on to the leader.
        NotLeader = FailedPrecondition, "etcdserver: not leader";
        LeaderChanged = Unavailable, "etcdserver: leader changed";
        NotCapable = FailedPrecondition, "etcdserver: not capable";
        Stopped = Unavailable, "etcdserver: server stopped";
        Timeout = Unavailable, "etcdserver: request timed out";
        TimeoutDueToLeaderFail = Unavailable, "etcdserver: request timed out, possibly due to previous leader failure";
        TimeoutDueToConnectionLost = Unavailable, "etcdserver: request timed out, possibly due to connection lost";
        TimeoutWaitAppliedIndex = Unavailable, "etcdserver: request timed out, waiting for the applied index took too long";
        /// Refuses changes of members while too few of them are connected.
        Unhealthy = Unavailable, "etcdserver: unhealthy cluster";
        Corrupt = DataLoss, "etcdserver: corrupt cluster";
        NotSupportedForLearner = FailedPrecondition, "etcdserver: rpc not supported for learner";
        BadLeaderTransferee = FailedPrecondition, "etcdserver: bad leader transferee";
        WrongDowngradeVersionFormat = InvalidArgument, "etcdserver: wrong downgrade target version format";
        InvalidDowngradeTargetVersion = InvalidArgument, "etcdserver: invalid downgrade target version";
        ClusterVersionUnavailable = FailedPrecondition, "etcdserver: cluster version not found during downgrade";
        DowngradeInProcess = FailedPrecondition, "etcdserver: cluster has a downgrade job in progress";
        NoInflightDowngrade = FailedPrecondition, "etcdserver: no inflight downgrade job";
        /// The server gave up. Where the client did, it sees [`Error::ContextCanceled`].
        Canceled = Cancelled, "etcdserver: request canceled";
        /// Never sent by 3.7.3: clients see [`Error::ContextDeadlineExceeded`].
        DeadlineExceeded = DeadlineExceeded, "etcdserver: context deadline exceeded";
    }
    others {
        /// From `v3rpc/key.go`.
        RangeStreamSorted = Unimplemented, "RangeStream does not support custom sort orders";
        /// From `v3rpc/key.go`.
        RangeStreamFiltered = Unimplemented, "RangeStream does not support revision filters";
        /// From Go's `context`, which `v3rpc/util.go` leaves to gRPC.
        ContextCanceled = Cancelled, "context canceled";
        /// From Go's `context`, which `v3rpc/util.go` leaves to gRPC.
        ContextDeadlineExceeded = DeadlineExceeded, "context deadline exceeded";
        /// From `auth/store.go`; not in the map of `v3rpc/util.go`, hence the code.
        NoPasswordUser = Unknown, "auth: authentication failed, password was given for no password user";
        /// From `lease/lessor.go`, as above: the end of a stream of keep-alives whose server cannot show that it leads.
        NotPrimaryLessor = Unknown, "not a primary lessor";
        /// From `etcdserver/errors/errors.go`, as above: of `MoveLeader`.
        TimeoutLeaderTransfer = Unknown, "etcdserver: request timed out, leader transfer took too long";
        /// From `etcdserver/errors/errors.go`, as above: of `Downgrade` with an action that is none.
        UnknownMethod = Unknown, "etcdserver: unknown method";
        /// From `raft.go` of `go.etcd.io/raft`, as above: the leader took no proposals, as while it hands its place over.
        ProposalDropped = Unknown, "raft proposal dropped";
        /// From `v3election/election.go`: of `Proclaim` and `Resign`.
        MissingLeaderKey = Unknown, "\"leader\" field must be provided";
        /// From `client/v3/concurrency/election.go`: of `Proclaim`.
        ElectionNotLeader = Unknown, "election: not leader";
        /// From `client/v3/concurrency/election.go`: of `Leader`.
        ElectionNoLeader = Unknown, "election: no leader";
        /// From `client/v3/concurrency/mutex.go`: of `Lock`, whose lease ended while it waited.
        SessionExpired = Unknown, "mutex: session is expired";
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Status {
        Status::new(error.code(), error.message())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const FROZEN: &str = include_str!("../../testdata/etcd-errors-3.7.3.txt");

    /// A line of the frozen file; Go's word for one of the codes has an "l" less.
    fn line(error: &Error) -> String {
        let code = format!("{:?}", error.code()).replace("Cancelled", "Canceled");
        format!("{code}\t{}", error.message())
    }

    #[test]
    fn the_table_is_etcds() {
        let mut lines: Vec<String> = Error::LISTED.iter().map(line).collect();
        lines.sort();
        let frozen: Vec<&str> = FROZEN.lines().collect();
        assert_eq!(lines, frozen);
    }

    #[test]
    fn a_message_names_one_error() {
        let all = || Error::LISTED.iter().chain(Error::OTHERS);
        let messages: BTreeSet<&str> = all().map(|error| error.message()).collect();
        assert_eq!(messages.len(), all().count());
    }

    #[test]
    fn a_status_has_both_columns() {
        let status = Status::from(Error::Compacted);
        assert_eq!(status.code(), Code::OutOfRange);
        assert_eq!(status.message(), Error::Compacted.to_string());
    }
}
