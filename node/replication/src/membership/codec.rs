//! The membership as bytes: in the log, in snapshots and in the machine's storage.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};

use crate::membership::{Member, Roster};
use crate::wire::{Malformed, Reader, Write};

const VERSION: u16 = 1;

/// The bytes of a membership.
pub fn encode(roster: &Roster) -> Bytes {
    let mut out = BytesMut::with_capacity(32 + roster.members.len() * 96);
    out.put_u16(VERSION);
    out.put_u32(count(roster.configs.len()));
    for config in &roster.configs {
        out.put_u32(count(config.len()));
        config.iter().for_each(|id| out.put_u64(*id));
    }
    out.put_u32(count(roster.members.len()));
    for (id, member) in &roster.members {
        out.put_u64(*id);
        out.put_u64(member.epoch);
        out.put_slice(&member.key);
        out.blob(member.peer_address.as_bytes());
    }
    out.freeze()
}

fn count(len: usize) -> u32 {
    u32::try_from(len).expect("invariant: a membership is small")
}

/// Reads what [`encode`] wrote. No bytes at all are the membership of nobody.
pub fn decode(bytes: &Bytes) -> Result<Roster, Malformed> {
    if bytes.is_empty() {
        return Ok(Roster::default());
    }
    let mut reader = Reader::new(bytes.clone());
    if reader.u16()? != VERSION {
        return Err(Malformed("the membership has a format from the future"));
    }
    let mut configs = Vec::new();
    for _ in 0..reader.u32()? {
        let mut config = BTreeSet::new();
        for _ in 0..reader.u32()? {
            config.insert(reader.u64()?);
        }
        configs.push(config);
    }
    let mut members = BTreeMap::new();
    for _ in 0..reader.u32()? {
        let id = reader.u64()?;
        let epoch = reader.u64()?;
        let key = reader.array()?;
        let peer_address = reader.text()?;
        members.insert(
            id,
            Member {
                peer_address,
                key,
                epoch,
            },
        );
    }
    reader.end()?;
    Ok(Roster { configs, members })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster() -> Roster {
        let member = |n: u8| Member {
            peer_address: format!("node-{n}.peers:6356"),
            key: [n; 32],
            epoch: u64::from(n),
        };
        Roster {
            configs: vec![BTreeSet::from([1, 2]), BTreeSet::from([2, 3])],
            members: (1..=4).map(|n| (u64::from(n), member(n))).collect(),
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        assert_eq!(decode(&encode(&roster())), Ok(roster()));
        assert_eq!(decode(&Bytes::new()), Ok(Roster::default()));
    }

    #[test]
    fn the_first_format_stays_readable() {
        let fixture = include_str!("../../testdata/v1/membership.hex");
        let bytes = hex::decode(fixture.split_whitespace().collect::<String>()).unwrap();
        assert_eq!(decode(&Bytes::from(bytes.clone())), Ok(roster()));
        assert_eq!(encode(&roster()), bytes);
    }

    #[test]
    fn every_cut_is_an_error_and_never_a_panic() {
        let bytes = encode(&roster());
        for len in 1..bytes.len() {
            assert!(decode(&bytes.slice(..len)).is_err(), "cut at {len}");
        }
        let mut longer = bytes.to_vec();
        longer.push(0);
        assert!(decode(&longer.into()).is_err());
    }
}
