//! What became of a proposal, as it travels back from the leader.

use bytes::{BufMut, Bytes, BytesMut};

use crate::contract::Rejected;
use crate::errors::ProposeError;
use crate::ids::{LogId, MemberId};
use crate::wire::{Malformed, Reader, Write};

/// The place of the entry and the machine's reply, or why there is none.
pub type Outcome = Result<(LogId, Bytes), ProposeError>;

const APPLIED: u8 = 0;
const UNAVAILABLE: u8 = 1;
const UNKNOWN: u8 = 2;
const BUSY: u8 = 3;
const STOPPED: u8 = 4;
const REJECTED: u8 = 5;

pub fn encode(outcome: &Outcome) -> Bytes {
    let mut out = BytesMut::new();
    match outcome {
        Ok((id, reply)) => {
            out.put_u8(APPLIED);
            out.log_id(*id);
            out.blob(reply);
        }
        Err(ProposeError::Unavailable { reason, leader }) => {
            out.put_u8(UNAVAILABLE);
            out.option(*leader, |out, id| out.put_u64(id.0));
            out.blob(reason.as_bytes());
        }
        Err(ProposeError::Unknown { reason }) => {
            out.put_u8(UNKNOWN);
            out.blob(reason.as_bytes());
        }
        Err(ProposeError::Busy) => out.put_u8(BUSY),
        Err(ProposeError::Stopped) => out.put_u8(STOPPED),
        Err(ProposeError::Rejected(Rejected(reply))) => {
            out.put_u8(REJECTED);
            out.blob(reply);
        }
    }
    out.freeze()
}

pub fn decode(body: Bytes) -> Result<Outcome, Malformed> {
    let mut reader = Reader::new(body);
    let outcome = match reader.u8()? {
        APPLIED => Ok((reader.log_id()?, reader.blob()?)),
        UNAVAILABLE => {
            let leader: Option<MemberId> = reader.option(Reader::member)?;
            Err(ProposeError::Unavailable {
                leader,
                reason: reader.text()?,
            })
        }
        UNKNOWN => Err(ProposeError::Unknown {
            reason: reader.text()?,
        }),
        BUSY => Err(ProposeError::Busy),
        STOPPED => Err(ProposeError::Stopped),
        REJECTED => Err(ProposeError::Rejected(Rejected(reader.blob()?))),
        _ => return Err(Malformed("an outcome is of an unknown kind")),
    };
    reader.end()?;
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_travels_as_what_it_is() {
        let leader = Some(MemberId(3));
        let outcomes: [Outcome; 6] = [
            Ok((
                LogId {
                    term: 1,
                    leader: 2,
                    index: 3,
                },
                Bytes::from_static(b"reply"),
            )),
            Err(ProposeError::Unavailable {
                reason: "none".into(),
                leader,
            }),
            Err(ProposeError::Unknown {
                reason: "lost".into(),
            }),
            Err(ProposeError::Busy),
            Err(ProposeError::Stopped),
            Err(ProposeError::Rejected(Rejected(Bytes::from_static(b"no")))),
        ];
        for outcome in outcomes {
            let bytes = encode(&outcome);
            let back = decode(bytes.clone()).unwrap();
            assert_eq!(format!("{back:?}"), format!("{outcome:?}"));
            for len in 0..bytes.len() {
                assert!(
                    decode(bytes.slice(..len)).is_err(),
                    "{outcome:?} cut at {len}"
                );
            }
        }
    }
}
