//! Opens streams to other members.

use std::sync::Arc;
use std::time::Duration;

use node_host::{BoxDuplex, Host};

use crate::ids::MemberId;
use crate::peers::frame::{FRAME_BYTES_MAX, FrameReader};
use crate::peers::gate::Gate;
use crate::peers::hello::{self, HELLO_BYTES_MAX, HelloError};
use crate::peers::lane_kind::LaneKind;

/// The longest that connecting and the hello may take together.
const DIAL_WITHIN: Duration = Duration::from_secs(3);

/// How a member answered a hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// Both ends accept each other.
    Accepted,
    /// It is there, and one of the two refuses the other.
    TurnedDown,
    /// Nothing that makes sense was heard.
    Silent,
}

/// Opens streams to other members.
pub struct Dialer {
    pub host: Host,
    pub gate: Arc<Gate>,
}

impl Dialer {
    /// A stream to exactly this member, past the hello; or why there is none.
    pub async fn dial(
        &self,
        target: MemberId,
        address: &str,
        lane: LaneKind,
    ) -> Result<FrameReader<BoxDuplex>, String> {
        match self.open_in_time(target, address, lane).await {
            Ok(stream) => Ok(stream),
            Err(Some(error)) => Err(format!("{address}: {error}")),
            Err(None) => Err(format!("{address} did not answer in time")),
        }
    }

    /// Says hello to a member and nothing more.
    pub async fn greet(&self, target: MemberId, address: &str) -> Greeting {
        match self.open_in_time(target, address, LaneKind::Control).await {
            Ok(_) => Greeting::Accepted,
            Err(Some(HelloError::Refused(..) | HelloError::Denied(..))) => Greeting::TurnedDown,
            Err(_) => Greeting::Silent,
        }
    }

    /// A stream past the hello; without an error it was too late.
    async fn open_in_time(
        &self,
        target: MemberId,
        address: &str,
        lane: LaneKind,
    ) -> Result<FrameReader<BoxDuplex>, Option<HelloError>> {
        let dialed = tokio::time::timeout(DIAL_WITHIN, self.open(target, address, lane)).await;
        let error = match dialed {
            Ok(Ok(stream)) => {
                self.gate.note_accepted(target);
                return Ok(stream);
            }
            Ok(Err(error)) => error,
            Err(_) => return Err(None),
        };
        match &error {
            HelloError::Refused(denial, member) => {
                self.gate.note_refused(*member, *denial, address);
            }
            HelloError::Denied(denial, by) => self.gate.note_denied(*by, *denial),
            HelloError::Stream(_) | HelloError::Malformed(_) => {}
        }
        Err(Some(error))
    }

    async fn open(
        &self,
        target: MemberId,
        address: &str,
        lane: LaneKind,
    ) -> Result<FrameReader<BoxDuplex>, HelloError> {
        let stream = self.host.network.connect(address).await?;
        let mut stream = FrameReader::new(stream, HELLO_BYTES_MAX);
        let identity = self.gate.identity();
        let me = self.gate.party(&identity);
        let judge = |claim: &hello::Claim| self.gate.judge_answerer(claim, target);
        let claimed = me.last_log;
        let called = hello::call(&mut stream, me, lane, target, judge).await;
        called.map_err(|error| self.gate.weigh(error, claimed))?;
        stream.bytes_max = FRAME_BYTES_MAX;
        Ok(stream)
    }
}
