//! Why a hello is turned down. The numbers are part of the format.

use std::fmt;

/// Why a member does not speak with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Denial {
    /// It does not know the cluster key.
    WrongKey = 1,
    /// Its disk belongs to another cluster.
    OtherCluster = 2,
    /// It is not the member that was to be reached.
    NotTheExpectedMember = 3,
    /// Its id was removed from the cluster.
    Removed = 4,
    /// Its data is of an older incarnation.
    OlderIncarnation = 5,
    /// Its data is of a newer incarnation.
    NewerIncarnation = 6,
    /// It speaks a format from the future.
    FormatFromTheFuture = 7,
    /// The leader knows no member of that id.
    Unregistered = 8,
    /// Its credential is not the one that is registered for its id.
    WrongCredential = 9,
    /// Its log ends before what it once acknowledged.
    LogBehindAcknowledged = 10,
    /// It does not say which cluster it is of, though it calls.
    NoCluster = 11,
    /// The answer is not known to this version.
    Other = 255,
}

impl Denial {
    const ALL: [Denial; 11] = [
        Denial::WrongKey,
        Denial::OtherCluster,
        Denial::NotTheExpectedMember,
        Denial::Removed,
        Denial::OlderIncarnation,
        Denial::NewerIncarnation,
        Denial::FormatFromTheFuture,
        Denial::Unregistered,
        Denial::WrongCredential,
        Denial::LogBehindAcknowledged,
        Denial::NoCluster,
    ];

    /// The verdict as a byte: 0 is a welcome.
    pub fn verdict(denial: Option<Denial>) -> u8 {
        denial.map_or(0, |denial| denial as u8)
    }

    /// Reads a verdict.
    pub fn from_verdict(verdict: u8) -> Option<Denial> {
        match verdict {
            0 => None,
            _ => Some(
                Denial::ALL
                    .into_iter()
                    .find(|d| *d as u8 == verdict)
                    .unwrap_or(Denial::Other),
            ),
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Denial::WrongKey => "it does not prove the cluster key",
            Denial::OtherCluster => "its disk belongs to another cluster",
            Denial::NotTheExpectedMember => "it is not the member that was to be reached",
            Denial::Removed => "its id was removed from the cluster and never returns",
            Denial::OlderIncarnation => "its data is of an older incarnation",
            Denial::NewerIncarnation => "its data is of a newer incarnation",
            Denial::FormatFromTheFuture => "it speaks a format from the future",
            Denial::Unregistered => "its id is not registered in the membership",
            Denial::WrongCredential => "its credential is not the registered one",
            Denial::LogBehindAcknowledged => "its log ends before what it once acknowledged",
            Denial::NoCluster => "it belongs to no cluster",
            Denial::Other => "for a reason this version does not know",
        })
    }
}
