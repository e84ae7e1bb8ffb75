//! The formats of version 1: `testdata/v1` stays readable, and reading never panics.
//!
//! `UPDATE_GOLDENFILES=1` writes the files; a change to one that exists is a new version, never an update.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use node_engines::{
    Change, ClusterId, Command, DecodeError, Engines, Entry, Incarnation, LogId, LogIndex,
    LogNumber, Outcome, Position, Proposal, Rejection, Reply, Stamp, TABLES, kv, system,
};
use node_storage::{Memory, Row, Storage};

use crate::auth;
use crate::history::{Dice, history, history_at_level};

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

fn alarm(kind: kv::AlarmKind) -> kv::Alarm {
    kv::Alarm { kind, member: 11 }
}

/// Every command that came with feature level 2.
fn etcd_commands() -> Vec<Command> {
    let key = |key: &'static str| Bytes::from_static(key.as_bytes());
    let keys = |from, end| kv::Keys {
        from: key(from),
        end,
    };
    let compare = |relation, target| kv::Compare {
        keys: keys("k", kv::End::Same),
        relation,
        target,
    };
    let put = kv::Step::Put(kv::Put {
        key: key("k"),
        value: Some(key("value")),
        lease: None,
    });
    let keep = kv::Step::Put(kv::Put {
        key: key("k"),
        value: None,
        lease: Some(kv::LeaseId(-1)),
    });
    let within = kv::Txn {
        success: vec![kv::Step::Range(
            keys("a", kv::End::Open),
            Some(kv::Revision(5)),
        )],
        ..kv::Txn::default()
    };
    let txn = kv::Txn {
        compare: vec![
            compare(kv::Relation::Equal, kv::Target::Version(1)),
            compare(kv::Relation::Greater, kv::Target::Created(2)),
            compare(kv::Relation::Less, kv::Target::Modified(3)),
            compare(kv::Relation::NotEqual, kv::Target::Value(key("v"))),
            compare(kv::Relation::Equal, kv::Target::Lease(4)),
        ],
        success: vec![put, keep],
        failure: vec![
            kv::Step::Range(keys("a", kv::End::Same), None),
            kv::Step::Delete(keys("a", kv::End::Before(key("b")))),
            kv::Step::Txn(Box::new(within)),
        ],
    };
    let kv = [
        kv::Command::Step(kv::Step::Txn(Box::new(txn))),
        kv::Command::Compact {
            revision: kv::Revision(6),
        },
        kv::Command::Grant {
            lease: kv::LeaseId(7),
            ttl_seconds: 60,
        },
        kv::Command::Revoke {
            lease: kv::LeaseId(7),
        },
        kv::Command::Sweep,
        kv::Command::Expire {
            lease: kv::LeaseId(8),
            granted: 10,
            term: 9,
        },
        kv::Command::Activate(alarm(kv::AlarmKind::NoSpace)),
        kv::Command::Deactivate(alarm(kv::AlarmKind::Corrupt)),
        kv::Command::Advance {
            revision: kv::Revision(11),
        },
    ];
    let raise = Command::System(system::Command::Raise { feature_level: 2 });
    kv.into_iter().map(Command::Kv).chain([raise]).collect()
}

fn etcd_entry() -> Entry {
    let proposal = Proposal {
        request: None,
        commands: etcd_commands(),
    };
    Entry::stamped(proposal, entry(None).stamp)
}

fn auth_entry() -> Entry {
    let proposal = Proposal {
        request: None,
        commands: auth::every_command(),
    };
    Entry::stamped(proposal, entry(None).stamp)
}

fn etcd_outcome() -> Outcome {
    let done = kv::Done::Txn {
        succeeded: true,
        done: vec![
            kv::Done::Range,
            kv::Done::Put,
            kv::Done::Delete(3),
            kv::Done::Txn {
                succeeded: false,
                done: vec![],
            },
        ],
    };
    let revision = kv::Revision(9);
    let before = revision;
    let lease = kv::LeaseId(7);
    let replies = [
        kv::Reply::Step { before, done },
        kv::Reply::Compacted { revision },
        kv::Reply::Granted { lease, revision },
        kv::Reply::Revoked { revision },
        kv::Reply::Alarmed { was_active: true },
    ];
    let Outcome::Accepted { position, .. } = accepted() else {
        panic!("it is")
    };
    Outcome::Accepted {
        position,
        replies: replies.into_iter().map(Reply::Kv).collect(),
    }
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

fn rejections() -> [(&'static str, Rejection); 16] {
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
        ("key-not-found", Rejection::KeyNotFound),
        ("lease-not-found", Rejection::LeaseNotFound),
        ("lease-exists", Rejection::LeaseExists),
        ("compacted", Rejection::Compacted),
        ("future-revision", Rejection::FutureRevision),
        ("no-space", Rejection::NoSpace),
        ("corrupt", Rejection::Corrupt),
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
        ("entry-etcd.hex", etcd_entry()),
        ("entry-auth.hex", auth_entry()),
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
    let accepted = [("accepted", accepted()), ("etcd", etcd_outcome())];
    for (name, expected) in accepted.into_iter().chain(rejected) {
        let name = format!("outcome-{name}.hex");
        assert_frozen(&name, &(to_hex(&expected.encode()) + "\n"));
        assert_eq!(Outcome::decode(&read_hex(&name)), Ok(expected));
    }
}

/// All of them in one file, a line each.
#[test]
fn refusals_of_version_1_are_read_and_written() {
    let outcome = |refusal| Outcome::Rejected(Rejection::Auth(refusal));
    let done = Outcome::Accepted {
        position: Position::default(),
        replies: vec![Reply::Auth(node_engines::auth::Reply)],
    };
    let all = || {
        auth::REFUSALS
            .map(outcome)
            .into_iter()
            .chain([done.clone()])
    };
    let lines: String = all()
        .map(|outcome| to_hex(&outcome.encode()) + "\n")
        .collect();
    assert_frozen("outcomes-auth.hex", &lines);
    for (line, expected) in lines.lines().zip(all()) {
        assert_eq!(Outcome::decode(&hex(line)), Ok(expected));
    }
}

fn state_of(history: Vec<(LogId, Change)>) -> (Memory, Engines) {
    let memory = Memory::new();
    let mut engines = Engines::open(Arc::new(memory.clone())).unwrap();
    engines.apply(history).unwrap();
    (memory, engines)
}

/// The rows of a state: a line for each, `table key value` in hexadecimal digits.
fn rows(memory: &Memory) -> String {
    let line = |row: Row| {
        format!(
            "{} {} {}\n",
            row.table,
            to_hex(&row.key),
            to_hex(&row.value)
        )
    };
    let rows = memory.view().unwrap();
    rows.rows().map(|row| line(row.unwrap())).collect()
}

/// Opens the state in a file of such lines.
fn read_state(name: &str) -> Engines {
    let frozen = std::fs::read_to_string(fixture(name)).unwrap();
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
    read
}

/// Everything that readers see of the keys.
fn keys(engines: &Engines) -> kv::Queried {
    let all = kv::Query::all(kv::Keys {
        from: Bytes::new(),
        end: kv::End::Open,
    });
    engines.reader().query(&all).unwrap().unwrap().1
}

/// The rows of a state, which snapshots carry too.
#[test]
fn a_state_of_version_2_opens_and_is_written() {
    let (memory, engines) = state_of(history_at_level(2, 3, 70));
    let text = rows(&memory);
    // Users and roles have a file of their own.
    for table in TABLES.into_iter().filter(|table| table.0 != "auth") {
        let begin = format!("{} ", table.0);
        assert!(
            text.lines().any(|line| line.starts_with(&begin)),
            "no row of {begin}"
        );
    }
    assert_frozen("../v2/state.rows", &text);
    let read = read_state("../v2/state.rows");
    assert_eq!(read.reader().digest(), engines.reader().digest());
    assert_eq!(keys(&read), keys(&engines));
}

/// The rows of users and roles.
#[test]
fn users_and_roles_of_version_2_open_and_are_written() {
    let mut history = history_at_level(2, 1, 10);
    let id = LogId {
        index: 10,
        ..history[9].0
    };
    history.push((id, Change::Command(auth_entry().encode())));
    let (memory, engines) = state_of(history);
    let text = rows(&memory);
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("auth "))
            .count(),
        4,
        "{text}"
    );
    assert_frozen("../v2/auth.rows", &text);
    let read = read_state("../v2/auth.rows");
    assert_eq!(auth::who(&read.reader()), auth::who(&engines.reader()));
}

/// What programs of feature level 1 stored is turned when it is opened, and goes on with the digests that they would have.
#[test]
fn a_state_of_version_1_opens_and_goes_on() {
    let mut old = read_state("state.rows");
    let (_, mut new) = state_of(history(1, 70));
    assert!(keys(&new).count > 10);
    for more in [70, 100, 200] {
        assert_eq!(old.reader().digest(), new.reader().digest());
        assert_eq!(keys(&old), keys(&new));
        let next =
            history(1, more).split_off(usize::try_from(old.reader().digest().0.0).unwrap() + 1);
        for engines in [&mut old, &mut new] {
            engines.apply(next.clone()).unwrap();
            engines.check_invariants().unwrap();
        }
    }
}

/// Of a level that this program does not know, a node stops before it applies anything.
#[test]
fn an_entry_that_raises_the_level_too_far_is_not_read() {
    let commands = vec![Command::System(system::Command::Raise { feature_level: 3 })];
    let proposal = Proposal {
        request: None,
        commands,
    };
    let entry = Entry::stamped(proposal, Stamp::default()).encode();
    assert_eq!(
        Entry::decode(&entry),
        Err(DecodeError::FeatureLevel { needed: 3 })
    );
}

/// Transactions within transactions end somewhere, before the stack does.
#[test]
fn a_transaction_is_bounded_in_depth_and_steps() {
    let nested = |depth: usize| {
        let within = |step| {
            kv::Step::Txn(Box::new(kv::Txn {
                success: vec![step],
                ..kv::Txn::default()
            }))
        };
        let first = kv::Step::Delete(kv::Keys::one(Bytes::from_static(b"k")));
        (0..depth).fold(first, |step, _| within(step))
    };
    let wide = |steps: usize| {
        let step = kv::Step::Delete(kv::Keys::one(Bytes::from_static(b"k")));
        kv::Step::Txn(Box::new(kv::Txn {
            failure: vec![step; steps],
            ..kv::Txn::default()
        }))
    };
    let read = |step| {
        let proposal = Proposal {
            request: None,
            commands: vec![Command::Kv(kv::Command::Step(step))],
        };
        Proposal::decode(&proposal.encode()).map(|read| assert_eq!(read, proposal))
    };
    assert_eq!(read(nested(128)), Ok(()));
    assert!(read(nested(129)).is_err());
    assert_eq!(read(wide(1024)), Ok(()));
    assert!(read(wide(1025)).is_err());
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
        etcd_entry().encode(),
        etcd_outcome().encode(),
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
