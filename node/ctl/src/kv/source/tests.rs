//! A snapshot that etcd 3.7.3 made, as it is, and garbled in every way.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use node_api::etcd::mvccpb::KeyValue;

use super::{From, Snapshot, Source};

const SNAPSHOT: &[u8] = include_bytes!("../../../testdata/etcd-3.7.3.snapshot.db");
/// The keys `k/1` to `k/60` without two that were deleted, one of many bytes, and one with a lease.
const KEYS: usize = 58 + 2;
const BYTES: usize = SNAPSHOT.len() - 32;
const PAGE: usize = 4096;

/// Reads these bytes: by their checksum, or without a look at it.
async fn read(bytes: &[u8], unchecked: bool) -> Result<Source> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(bytes)?;
    let from = From::File(file.path().to_owned());
    let nobody = |_| bail!("a file is no endpoint");
    Source::read(Snapshot::take(&from, nobody, Path::new("/"), unchecked).await?)
}

/// Reads these bytes as what they are.
fn parse(file: &File, bytes: usize) -> Result<Vec<KeyValue>> {
    let snapshot = Snapshot {
        file: file.try_clone()?,
        bytes: bytes as u64,
        name: "garbled.db".to_owned(),
    };
    let source = Source::read(snapshot)?;
    source.by_revision()?.collect()
}

/// What is wrong with it, which must be something.
async fn refused(bytes: &[u8], unchecked: bool) -> String {
    match read(bytes, unchecked).await {
        Ok(_) => panic!("it was read"),
        Err(error) => format!("{error:#}"),
    }
}

#[tokio::test]
async fn everything_that_an_etcd_has_is_found() {
    let source = read(SNAPSHOT, false).await.unwrap();
    assert_eq!((source.revision, source.keys.len()), (68, KEYS));
    let value = |key: &str| {
        let last = source.keys.get(key.as_bytes())?;
        Some(source.key_value(last).unwrap())
    };
    let first = value("k/1").unwrap();
    assert_eq!((first.value.as_ref(), first.version), (&b"third"[..], 3));
    assert_eq!(value("k/3").unwrap().value, "new");
    assert!(value("k/2").is_none() && value("k/4").is_none());
    assert!(value("big").unwrap().value.len() > PAGE);
    let times: Vec<i64> = source.leases.values().copied().collect();
    assert_eq!(times.len(), 2);
    assert!(times.contains(&600) && times.contains(&5000));
    let leased = value("leased").unwrap();
    assert_eq!(source.leases.get(&leased.lease), Some(&600));
    let users = source.users.iter().map(|user| user.name.as_ref());
    assert_eq!(users.collect::<Vec<_>>(), [&b"root"[..], b"u", b"v"]);
    let hashed = |at: usize| {
        source
            .users
            .get(at)
            .unwrap()
            .password
            .starts_with(b"$2a$10$")
    };
    assert!(hashed(0) && !hashed(1) && hashed(2));
    let roles = source.roles.iter();
    let roles: Vec<_> = roles
        .map(|role| (role.name.as_ref(), role.key_permission.len()))
        .collect();
    assert_eq!(roles, [(&b"r"[..], 2), (b"root", 0)]);
    assert!(source.asks_users);
    assert_eq!((source.alarms, source.keys_without_their_lease), (0, 0));
    let order = source
        .by_revision()
        .unwrap()
        .map(|key| key.unwrap().mod_revision);
    let order: Vec<i64> = order.collect();
    assert!(order.len() == KEYS && order.is_sorted());
}

#[tokio::test]
async fn what_is_not_whole_is_refused_and_says_what_to_do() {
    for (bytes, unchecked, named) in [
        (&SNAPSHOT[..SNAPSHOT.len() - 1], false, "cut"),
        (&SNAPSHOT[..PAGE * 8 + 32], false, "checksum differs"),
        (
            &SNAPSHOT[..PAGE * 8],
            true,
            "is cut: it has 32768 bytes of 65536",
        ),
        (&SNAPSHOT[..BYTES], false, "--skip-hash-check"),
        (&SNAPSHOT[..0], false, "no snapshot of an etcd"),
        (b"no snapshot", true, "no snapshot of an etcd"),
        (&[0; 3 * PAGE], true, "no snapshot of an etcd"),
    ] {
        let said = refused(bytes, unchecked).await;
        assert!(said.contains(named), "{named:?} is not in {said:?}");
    }
    assert!(read(&SNAPSHOT[..BYTES], true).await.is_ok());
    let mut changed = SNAPSHOT.to_vec();
    changed[PAGE * 5 + 100] ^= 1;
    assert!(refused(&changed, false).await.contains("checksum differs"));
}

#[test]
fn a_text_is_a_file_or_an_endpoint_or_neither() {
    let of = |text: &str| From::of(text);
    let endpoints =
        |all: &[&str]| From::Endpoints(all.iter().map(|one| (*one).to_owned()).collect());
    assert_eq!(of("-").unwrap(), From::Input);
    assert_eq!(
        of("/proc/self/exe").unwrap(),
        From::File(PathBuf::from("/proc/self/exe"))
    );
    assert_eq!(
        of("a:1,https://b:2/").unwrap(),
        endpoints(&["a:1", "https://b:2/"])
    );
    assert_eq!(of("[::1]:2379").unwrap(), endpoints(&["[::1]:2379"]));
    for neither in [
        "",
        "snapshot.db",
        "a:1,",
        "a:b",
        "ftp://a:1",
        "/no/such/file.db",
    ] {
        assert!(of(neither).is_err(), "{neither}");
    }
}

/// A file of these bytes that is changed in place.
struct Garbled {
    path: tempfile::NamedTempFile,
}

impl Garbled {
    fn new() -> Garbled {
        let mut path = tempfile::NamedTempFile::new().unwrap();
        path.write_all(&SNAPSHOT[..BYTES]).unwrap();
        Garbled { path }
    }

    /// Reads it with other bytes there; as many keys, or fewer where some lost their name, or why not.
    fn with(&self, at: usize, bytes: &[u8]) -> Result<usize> {
        use std::os::unix::fs::FileExt;
        let file = self.path.as_file();
        file.write_all_at(bytes, at as u64).unwrap();
        let read = parse(file, BYTES);
        let before = &SNAPSHOT[at..at + bytes.len()];
        file.write_all_at(before, at as u64).unwrap();
        read.map(|keys| keys.len())
    }
}

#[test]
fn whatever_bytes_are_garbled_it_is_read_or_refused() {
    let garbled = Garbled::new();
    let (mut refused, mut read) = (0, 0);
    let mut check = |at: usize, bytes: &[u8]| match garbled.with(at, bytes) {
        Ok(keys) => {
            // A deletion may have become a value, or a key have got a name of its own.
            assert!(keys <= KEYS + 8, "{keys} keys with {bytes:x?} at {at}");
            read += 1;
        }
        Err(error) => {
            let said = format!("{error:#}");
            assert!(said.contains("garbled.db"), "{said}");
            refused += 1;
        }
    };
    for page in 0..BYTES / PAGE {
        // The header and the first elements of each page as a whole, of the rest every few bytes.
        let header = (0..160).chain((160..PAGE).step_by(23));
        for at in header.map(|at| page * PAGE + at) {
            check(at, &[SNAPSHOT[at] ^ 0x01]);
            check(at, &[SNAPSHOT[at] ^ 0x80]);
            check(at, &[0xFF]);
        }
        for at in (0..96).step_by(4).map(|at| page * PAGE + at) {
            check(at, &[0xFF; 4]);
            check(at, &[0xFF, 0xFF, 0xFF, 0x7F]);
            // Pages that lead to each other.
            check(at, &u64::try_from(page).unwrap().to_le_bytes());
            check(at, &7_u64.to_le_bytes());
            check(at, &[0; 8]);
        }
    }
    assert!(
        refused > 1000 && read > 1000,
        "{refused} refused, {read} read"
    );
}

#[test]
fn wherever_it_is_cut_it_is_refused() {
    for bytes in (0..BYTES).step_by(509) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&SNAPSHOT[..bytes]).unwrap();
        let error = parse(&file, bytes).map(|_| ()).unwrap_err();
        assert!(format!("{error:#}").contains("garbled.db"), "{error:#}");
    }
}
