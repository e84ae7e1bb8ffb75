//! Alarms as etcd lists, raises and ends them.

use node_api::etcd::etcdserverpb::alarm_request::AlarmAction;
use node_api::etcd::etcdserverpb::{AlarmMember, AlarmRequest, AlarmType};
use node_engines::Reply;
use node_engines::kv::{self, Alarm, AlarmKind};
use tonic::Status;

use crate::etcd::errors::{another_reply, status};
use crate::etcd::service::Etcd;

impl Etcd {
    /// Does what a request asks for; gives the alarms that it is about.
    pub(super) async fn alarms(&self, request: AlarmRequest) -> Result<Vec<AlarmMember>, Status> {
        let kind = kind(request.alarm());
        match (request.action(), kind) {
            (AlarmAction::Get, _) => {
                let mut alarms = self.reader(false).await?.alarms();
                alarms.retain(|alarm| kind.is_none_or(|kind| alarm.kind == kind));
                Ok(alarms.into_iter().map(member).collect())
            }
            (_, None) => Ok(Vec::new()),
            (action, Some(kind)) => {
                let alarm = Alarm {
                    kind,
                    member: request.member_id,
                };
                let active = action == AlarmAction::Activate;
                let was_active = self.set_alarm(alarm, active).await?;
                // One that was not there is not ended.
                Ok((active || was_active)
                    .then(|| member(alarm))
                    .into_iter()
                    .collect())
            }
        }
    }

    /// Raises an alarm, or ends it; gives whether it was active.
    async fn set_alarm(&self, alarm: Alarm, active: bool) -> Result<bool, Status> {
        let written = self.node.set_alarm(alarm, active).await.map_err(status)?;
        self.reader_after(&written).await?;
        match written.replies.as_slice() {
            [Reply::Kv(kv::Reply::Alarmed { was_active })] => Ok(*was_active),
            _ => Err(another_reply()),
        }
    }
}

/// What an alarm is about; nothing for what is none.
fn kind(alarm: AlarmType) -> Option<AlarmKind> {
    match alarm {
        AlarmType::None => None,
        AlarmType::Nospace => Some(AlarmKind::NoSpace),
        AlarmType::Corrupt => Some(AlarmKind::Corrupt),
    }
}

/// An alarm's name.
pub fn name(kind: AlarmKind) -> &'static str {
    match kind {
        AlarmKind::NoSpace => AlarmType::Nospace.as_str_name(),
        AlarmKind::Corrupt => AlarmType::Corrupt.as_str_name(),
    }
}

/// An alarm as etcd shows it, and stores it.
pub fn member(alarm: Alarm) -> AlarmMember {
    let kind = match alarm.kind {
        AlarmKind::NoSpace => AlarmType::Nospace,
        AlarmKind::Corrupt => AlarmType::Corrupt,
    };
    AlarmMember {
        member_id: alarm.member,
        alarm: kind.into(),
    }
}

/// An alarm in the words of etcd's statuses.
pub(super) fn text(alarm: Alarm) -> String {
    format!("memberID:{} alarm:{}", alarm.member, name(alarm.kind))
}
