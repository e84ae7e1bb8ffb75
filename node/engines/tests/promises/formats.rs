//! The formats of version 1: `testdata/v1` stays readable, and reading never panics.
//!
//! `UPDATE_GOLDENFILES=1` writes the files; a change to one that exists is a new version, never an update.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use node_engines::{
    ClusterId, Command, DecodeError, Engines, Entry, Incarnation, LogIndex, LogNumber, Outcome,
    Position, Proposal, Rejection, Reply, Stamp, kv, system,
};
use node_storage::{Memory, Row, Storage};

use crate::history::{Dice, history};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/v1")
        .join(name)
}

/// Compares `text` with the file of that name.
fn assert_frozen(name: &str, text: &str) {
    let path = fixture(name);
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let frozen = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(text, frozen, "{name}: the format changed");
}

fn read_hex(name: &str) -> Bytes {
    let text = std::fs::read_to_string(fixture(name)).unwrap();
    hex(text.trim())
}

fn hex(text: &str) -> Bytes {
    let digits: Vec<_> = text
        .chars()
        .map(|digit| digit.to_digit(16).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn commands() -> Vec<Command> {
    let key = Bytes::from_static(b"key\0\xff");
    vec![
        Command::Kv(kv::Command::Put {
            key: key.clone(),
            value: Bytes::from_static(b"value"),
        }),
        Command::Kv(kv::Command::Delete { key }),
        Command::System(system::Command::Genesis {
            cluster_id: ClusterId([0xC1; 16]),
            voters: 3,
        }),
        Command::System(system::Command::Noop),
    ]
}

fn proposal(request: Option<&str>) -> Proposal {
    let request = request.map(|id| id.parse().unwrap());
    Proposal {
        request,
        commands: commands(),
    }
}

fn entry(request: Option<&str>) -> Entry {
    let stamp = Stamp {
        millis: 1_764_000_000_123,
        logical: 7,
        seed: 0x0123_4567_89AB_CDEF,
    };
    Entry::stamped(proposal(request), stamp)
}

fn recovery() -> Entry {
    let recover = system::Command::Recover {
        incarnation: Incarnation(7),
    };
    let proposal = Proposal {
        request: None,
        commands: vec![Command::System(recover)],
    };
    Entry::stamped(proposal, entry(None).stamp)
}

fn accepted() -> Outcome {
    let position = Position {
        log: LogNumber(0),
        incarnation: Incarnation(2),
        index: LogIndex(42),
    };
    let replies = vec![
        Reply::Kv(kv::Reply::Put {
            revision: kv::Revision(17),
            created: true,
        }),
        Reply::Kv(kv::Reply::Delete {
            revision: kv::Revision(18),
            existed: false,
        }),
        Reply::System(system::Reply),
    ];
    Outcome::Accepted { position, replies }
}

fn rejections() -> [(&'static str, Rejection); 9] {
    [
        ("not-open", Rejection::NotOpen),
        ("key-empty", Rejection::KeyEmpty),
        ("key-too-large", Rejection::KeyTooLarge { bytes: 5000 }),
        (
            "value-too-large",
            Rejection::ValueTooLarge { bytes: 2_000_000 },
        ),
        ("request-id-reused", Rejection::RequestIdReused),
        ("busy", Rejection::Busy),
        ("already-formed", Rejection::AlreadyFormed),
        ("no-voters", Rejection::NoVoters),
        (
            "feature-level",
            Rejection::FeatureLevel {
                needed: 3,
                active: 2,
            },
        ),
    ]
}

#[test]
fn entries_of_version_1_are_read_and_written() {
    for (name, expected) in [
        ("entry.hex", entry(None)),
        ("entry-request.hex", entry(Some("r-1"))),
        ("entry-recover.hex", recovery()),
    ] {
        assert_frozen(name, &(to_hex(&expected.encode()) + "\n"));
        assert_eq!(Entry::decode(&read_hex(name)), Ok(expected));
    }
}

#[test]
fn proposals_of_version_1_are_read_and_written() {
    for (name, expected) in [
        ("proposal.hex", proposal(None)),
        ("proposal-request.hex", proposal(Some("r-1"))),
    ] {
        assert_frozen(name, &(to_hex(&expected.encode()) + "\n"));
        assert_eq!(Proposal::decode(&read_hex(name)), Ok(expected));
    }
}

#[test]
fn outcomes_of_version_1_are_read_and_written() {
    let rejected = rejections().map(|(name, reason)| (name, Outcome::Rejected(reason)));
    for (name, expected) in [("accepted", accepted())].into_iter().chain(rejected) {
        let name = format!("outcome-{name}.hex");
        assert_frozen(&name, &(to_hex(&expected.encode()) + "\n"));
        assert_eq!(Outcome::decode(&read_hex(&name)), Ok(expected));
    }
}

/// The rows of a state, which snapshots carry too: a line for each, `table key value` in hexadecimal digits.
#[test]
fn a_state_of_version_1_opens_and_is_written() {
    let memory = Memory::new();
    let mut engines = Engines::open(Arc::new(memory.clone())).unwrap();
    engines.apply(history(1, 70)).unwrap();
    let line = |row: Row| {
        format!(
            "{} {} {}\n",
            row.table,
            to_hex(&row.key),
            to_hex(&row.value)
        )
    };
    let rows = memory.view().unwrap();
    let text: String = rows.rows().map(|row| line(row.unwrap())).collect();
    for table in [
        "digests ",
        "kv.index ",
        "kv.values ",
        "requests ",
        "system ",
    ] {
        assert!(
            text.lines().any(|line| line.starts_with(table)),
            "no row of {table}"
        );
    }
    assert_frozen("state.rows", &text);

    let frozen = std::fs::read_to_string(fixture("state.rows")).unwrap();
    let mut rows = frozen.lines().map(|line| {
        let [table, key, value] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        Ok(Row {
            table: table.to_owned().into(),
            key: hex(key),
            value: hex(value),
        })
    });
    let read = Memory::new();
    read.replace(&mut rows).unwrap();
    let read = Engines::open(Arc::new(read)).unwrap();
    read.check_invariants().unwrap();
    assert_eq!(read.reader().digest(), engines.reader().digest());
    assert_eq!(
        read.reader().list(b"", None, 1000),
        engines.reader().list(b"", None, 1000)
    );
}

#[test]
fn a_later_version_or_another_format_is_named() {
    let bytes = entry(None).encode();
    let mut later = bytes.to_vec();
    later[1] = 2;
    let error = Entry::decode(&later.into()).unwrap_err();
    assert_eq!(
        error,
        DecodeError::FromTheFuture {
            format: "an entry",
            found: 2,
            known: 1
        }
    );
    assert_eq!(
        Proposal::decode(&bytes),
        Err(DecodeError::OtherFormat {
            format: "a proposal"
        })
    );
    assert_eq!(
        Outcome::decode(&Bytes::new()),
        Err(DecodeError::Truncated {
            format: "an outcome"
        })
    );
    let mut trailing = bytes.to_vec();
    trailing.push(0);
    let error = Entry::decode(&trailing.into()).unwrap_err();
    assert_eq!(
        error,
        DecodeError::Trailing {
            format: "an entry",
            bytes: 1
        }
    );
}

/// Damaged bytes give an error or something else that is valid; they never panic and never take much memory.
#[test]
fn damaged_bytes_are_never_a_panic() {
    let mut samples = vec![
        entry(None).encode(),
        entry(Some("r-1")).encode(),
        recovery().encode(),
        proposal(Some("r-1")).encode(),
        accepted().encode(),
    ];
    samples.extend(rejections().map(|(_, reason)| Outcome::Rejected(reason).encode()));
    let read = |bytes: &Bytes| {
        let entry = Entry::decode(bytes).map(|entry| entry.encode());
        let proposal = Proposal::decode(bytes).map(|proposal| proposal.encode());
        let outcome = Outcome::decode(bytes).map(|outcome| outcome.encode());
        for again in [entry, proposal, outcome].into_iter().flatten() {
            assert_eq!(again, *bytes, "what is read is written back the same");
        }
    };
    let mut dice = Dice(1);
    for sample in &samples {
        for length in 0..sample.len() {
            read(&sample.slice(..length));
        }
        for _ in 0..20_000 {
            let mut bytes = sample.to_vec();
            for _ in 0..=dice.below(3) {
                let at = usize::try_from(dice.below(bytes.len() as u64)).unwrap();
                bytes[at] = u8::try_from(dice.below(256)).unwrap();
            }
            read(&bytes.into());
        }
    }
    for _ in 0..20_000 {
        let mut bytes = vec![b"epo"[usize::try_from(dice.below(3)).unwrap()], 1];
        bytes.extend((0..dice.below(64)).map(|_| u8::try_from(dice.below(256)).unwrap()));
        read(&bytes.into());
    }
}
