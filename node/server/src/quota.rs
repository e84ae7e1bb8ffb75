//! The room that the keys may take on this node: what would take more is refused, and an alarm raised that has every node
//! refuse it until a person has ended it.
//!
//! What this does not do: it measures no disk ([`crate::reserve`] does); and requests that are let in at the same time may
//! together take somewhat more.

use node_engines::kv::{self, Alarm, AlarmKind};
use node_engines::{Command, Proposal, Rejection};

use crate::access::by_the_cluster;
use crate::errors::Failure;
use crate::node::{Node, Written};

/// The feature level at which there are alarms.
const ALARMS_FROM_LEVEL: u32 = 2;

impl Node {
    /// Lets in what fits into the quota. What does not is refused, once every node knows of it or could not be told; and by all
    /// of them, if it may be a repetition, which has the reply of the first time.
    pub(crate) async fn check_quota(
        &self,
        commands: &[Command],
        may_be_repeated: bool,
    ) -> Result<(), Failure> {
        let room = commands.iter().map(|command| match command {
            Command::Kv(command) => command.bytes_at_most(),
            Command::As(_) | Command::Auth(_) | Command::System(_) => 0,
        });
        let (room, reader) = (room.sum::<u64>(), self.reader());
        let fits = reader.bytes().saturating_add(room) < self.limits().quota_bytes;
        if room == 0 || fits || reader.feature_level() < ALARMS_FROM_LEVEL {
            return Ok(());
        }
        self.raise_no_space().await;
        match may_be_repeated {
            true => Ok(()),
            false => Err(Failure::Rejected(Rejection::NoSpace)),
        }
    }

    /// Raises this node's alarm, unless it is active or being raised.
    async fn raise_no_space(&self) {
        let alarm = Alarm {
            kind: AlarmKind::NoSpace,
            member: self.replication().place().0.0,
        };
        let Ok(_one_at_a_time) = self.raising().try_lock() else {
            return;
        };
        if self.reader().alarms().contains(&alarm) {
            return;
        }
        let quota_bytes = self.limits().quota_bytes;
        tracing::warn!(
            quota_bytes,
            "the keys take more room than they may: an alarm is raised"
        );
        if let Err(error) = self.set_alarm(alarm, true).await {
            tracing::warn!(%error, "the alarm may not have been raised; the next write tries again");
        }
    }

    /// Raises an alarm, or ends it, whether or not the disk has room.
    pub(crate) async fn set_alarm(&self, alarm: Alarm, active: bool) -> Result<Written, Failure> {
        self.serves()?;
        let command = match active {
            true => kv::Command::Activate(alarm),
            false => kv::Command::Deactivate(alarm),
        };
        let proposal = Proposal {
            request: None,
            commands: by_the_cluster(command),
        };
        self.propose(proposal).await
    }
}
