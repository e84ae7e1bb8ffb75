//! The conformance suite on a real disk, with crashes made of what the disk may hold at that moment, and what is this room's own:
//! folders, formats and damage.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use node_storage::conformance::{self, Subject};
use node_storage::{Batch, Row, Storage, StorageError, Table, View};

use crate::generation::Tuning;
use crate::{Disk, DiskError, SetAside};

const A: Table = Table("a");
const B: Table = Table("b");

/// A disk whose crashes lose half of what was not persisted, cut at any byte.
struct OnDisk {
    root: tempfile::TempDir,
    disk: Option<Arc<Watched>>,
}

/// Notes, at each persist, how much of the journals is durable.
struct Watched {
    disk: Disk,
    durable: Mutex<u64>,
}

impl Watched {
    fn open(dir: &Path) -> Arc<Watched> {
        let disk = Disk::open(dir).unwrap();
        let durable = Mutex::new(journal_bytes(dir));
        Arc::new(Watched { disk, durable })
    }

    fn note(&self) {
        *self.durable.lock().unwrap() = journal_bytes(self.disk.dir());
    }
}

impl Storage for Watched {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.disk.get(table, key)
    }
    fn view(&self) -> Result<Box<dyn View>, StorageError> {
        self.disk.view()
    }
    fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        self.disk.commit(batch)
    }
    fn persist(&self) -> Result<(), StorageError> {
        self.disk.persist()?;
        self.note();
        Ok(())
    }
    fn replace(
        &self,
        rows: &mut dyn Iterator<Item = Result<Row, StorageError>>,
    ) -> Result<(), StorageError> {
        self.disk.replace(rows)?;
        self.note();
        Ok(())
    }
    fn bytes_used(&self) -> Result<u64, StorageError> {
        self.disk.bytes_used()
    }
}

impl OnDisk {
    fn new() -> OnDisk {
        let root = tempfile::tempdir().unwrap();
        let disk = Some(Watched::open(root.path()));
        OnDisk { root, disk }
    }
}

impl Subject for OnDisk {
    fn storage(&self) -> Arc<dyn Storage> {
        self.disk.clone().unwrap()
    }

    fn reopen(&mut self) {
        self.disk = None;
        self.disk = Some(Watched::open(self.root.path()));
    }

    /// Closing writes nothing but the journal, so that a closed folder with its journal cut is what a power loss leaves.
    fn crash(&mut self) {
        let disk = self.disk.take().unwrap();
        let durable = *disk.durable.lock().unwrap();
        drop(disk);
        let written = journal_bytes(self.root.path());
        cut_journals(self.root.path(), durable + (written - durable) / 2);
        self.disk = Some(Watched::open(self.root.path()));
    }
}

#[test]
fn the_disk_conforms() {
    conformance::check(&|| Box::new(OnDisk::new()));
}

/// Memtables reach the disk on their own time, before the journal may: no commit may come apart by that.
#[test]
fn commits_stay_whole_when_files_are_flushed_and_the_journal_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let tuning = Tuning {
        cache_bytes: 1 << 20,
        memtable_bytes: 64 << 10,
    };
    let disk = Disk::open_tuned(root.path(), tuning).unwrap();
    let mut number = 0_u64;
    wait_for(|| {
        for _ in 0..100 {
            number += 1;
            let mut batch = Batch::new();
            batch.put(A, &b"last"[..], number.to_be_bytes().to_vec());
            batch.put(B, number.to_be_bytes().to_vec(), vec![b'.'; 500]);
            disk.commit(batch).unwrap();
        }
        files(root.path())
            .iter()
            .filter(|path| is_table(path))
            .count()
            > 4
    });
    drop(disk);
    cut_journals(root.path(), 0);

    let disk = Disk::open(root.path()).unwrap();
    let last = disk
        .get(A, b"last")
        .unwrap()
        .expect("something was flushed");
    let last = u64::from_be_bytes(last.as_ref().try_into().unwrap());
    assert!(last < number, "nothing was lost");
    for commit in 1..=number {
        let there = disk.get(B, &commit.to_be_bytes()).unwrap().is_some();
        assert_eq!(there, commit <= last, "commit {commit} of {last} kept");
    }
}

#[test]
fn a_second_process_is_kept_out() {
    let root = tempfile::tempdir().unwrap();
    let _first = Disk::open(root.path()).unwrap();
    let error = Disk::open(root.path()).err().expect("locked");
    assert!(matches!(error, DiskError::Locked { .. }), "{error}");
    assert!(!error.is_damage());
    assert!(
        Disk::open_or_set_aside(root.path()).is_err(),
        "a state in use is never set aside"
    );
}

#[test]
fn a_format_from_the_future_is_refused_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    filled(root.path());
    let current = root.path().join("CURRENT");
    let text = fs::read_to_string(&current).unwrap();
    assert_eq!(text, "kluster-state 1\nstate-1\n", "the format is frozen");
    fs::write(&current, text.replace("state 1", "state 2")).unwrap();
    for error in [
        Disk::open(root.path()).err().unwrap(),
        Disk::open_or_set_aside(root.path()).err().unwrap(),
        Disk::set_aside(root.path()).err().unwrap(),
    ] {
        assert!(
            matches!(
                error,
                DiskError::FromTheFuture {
                    found: 2,
                    known: 1,
                    ..
                }
            ),
            "{error}"
        );
    }
    fs::write(&current, text).unwrap();
    assert_filled(&Disk::open(root.path()).unwrap());
}

#[test]
fn a_damaged_state_is_told_apart_and_set_aside() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage); 5] = [
        ("CURRENT is garbage", |dir| {
            fs::write(dir.join("CURRENT"), b"\xff\xfe").unwrap()
        }),
        ("CURRENT is empty", |dir| {
            fs::write(dir.join("CURRENT"), b"").unwrap()
        }),
        ("the folder is gone", |dir| {
            fs::remove_dir_all(dir.join("state-1")).unwrap()
        }),
        ("every file is cut", |dir| {
            for file in files(&dir.join("state-1")) {
                fs::OpenOptions::new()
                    .write(true)
                    .open(file)
                    .unwrap()
                    .set_len(3)
                    .unwrap();
            }
        }),
        ("every file is garbage", |dir| {
            for file in files(&dir.join("state-1")) {
                fs::write(file, [0xA5; 100]).unwrap();
            }
        }),
    ];
    for (name, damage) in cases {
        let root = tempfile::tempdir().unwrap();
        filled(root.path());
        damage(root.path());
        let error = Disk::open(root.path())
            .err()
            .unwrap_or_else(|| panic!("{name}: opened"));
        assert!(error.is_damage(), "{name}: {error:?}");

        let (disk, aside) = Disk::open_or_set_aside(root.path()).unwrap();
        assert!(
            matches!(&aside, SetAside::Yes { why } if why.is_damage()),
            "{name}: {aside:?}"
        );
        assert!(
            disk.get(A, b"k").unwrap().is_none(),
            "{name}: the new state is empty"
        );
        let mut batch = Batch::new();
        batch.put(A, &b"k"[..], &b"v"[..]);
        disk.commit(batch).unwrap();
        drop(disk);
        let (disk, aside) = Disk::open_or_set_aside(root.path()).unwrap();
        assert!(matches!(aside, SetAside::No), "{name}");
        assert_filled(&disk);
    }
}

/// Whichever file is damaged: the state opens, or is told apart as damaged; never a panic, never anything else.
#[test]
fn damage_to_any_one_file_is_never_worse_than_a_damaged_state() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage); 3] = [
        ("cut", |file| {
            fs::OpenOptions::new()
                .write(true)
                .open(file)
                .unwrap()
                .set_len(3)
                .unwrap()
        }),
        ("garbage", |file| fs::write(file, [0xA5; 100]).unwrap()),
        ("gone", |file| fs::remove_file(file).unwrap()),
    ];
    let root = tempfile::tempdir().unwrap();
    let sound = root.path().join("sound");
    let disk = Disk::open(&sound).unwrap();
    disk.replace(&mut (0..1000_u32).map(|number| {
        let (key, value) = (number.to_be_bytes().to_vec().into(), vec![b'.'; 100].into());
        Ok(Row {
            table: "a".into(),
            key,
            value,
        })
    }))
    .unwrap();
    drop(disk);
    let (mut opened, mut damaged) = (0, 0);
    for file in files(&sound) {
        for (name, damage) in cases {
            let copy = root.path().join("copy");
            copy_dir(&sound, &copy);
            let file = file.strip_prefix(&sound).unwrap();
            damage(&copy.join(file));
            match Disk::open(&copy) {
                Ok(_) => opened += 1,
                Err(error) if error.is_damage() => damaged += 1,
                Err(error) => panic!("{} {name}: {error:?}", file.display()),
            }
            fs::remove_dir_all(&copy).unwrap();
        }
    }
    assert!(
        opened > 0 && damaged > 10,
        "{opened} opened, {damaged} damaged"
    );
}

#[test]
fn one_state_is_kept_aside_until_a_replacement() {
    let root = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        filled(root.path());
        Disk::set_aside(root.path()).unwrap();
    }
    assert_eq!(names(root.path()), ["CURRENT", "aside-2", "state-3"]);
    let disk = Disk::open(root.path()).unwrap();
    disk.replace(&mut std::iter::empty()).unwrap();
    drop(disk);
    assert_eq!(names(root.path()), ["CURRENT", "state-4"]);
}

#[test]
fn what_a_crash_left_over_is_swept() {
    let root = tempfile::tempdir().unwrap();
    filled(root.path());
    fs::create_dir_all(root.path().join("state-9/keyspaces")).unwrap();
    fs::write(root.path().join("CURRENT.next"), b"kluster-st").unwrap();
    let disk = Disk::open(root.path()).unwrap();
    assert_filled(&disk);
    disk.replace(&mut std::iter::empty()).unwrap();
    drop(disk);
    assert_eq!(names(root.path()), ["CURRENT", "state-2"]);
}

#[test]
fn a_first_opening_that_crashed_is_begun_again() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("state-1/keyspaces")).unwrap();
    filled(root.path());
    assert_eq!(names(root.path()), ["CURRENT", "state-2"]);
}

#[test]
fn an_old_state_leaves_the_disk_with_its_last_view() {
    let root = tempfile::tempdir().unwrap();
    filled(root.path());
    let disk = Disk::open(root.path()).unwrap();
    let view = disk.view().unwrap();
    disk.replace(&mut std::iter::empty()).unwrap();
    assert_eq!(names(root.path()), ["CURRENT", "state-1", "state-2"]);
    assert!(view.get(A, b"k").unwrap().is_some());
    drop(view);
    assert_eq!(names(root.path()), ["CURRENT", "state-2"]);
}

#[test]
fn an_empty_state_takes_little_room() {
    let root = tempfile::tempdir().unwrap();
    let disk = Disk::open(root.path()).unwrap();
    let empty = disk.bytes_used().unwrap();
    assert!(empty < 4 << 20, "{empty} bytes");
    let mut batch = Batch::new();
    batch.put(A, &b"k"[..], vec![b'.'; 8 << 20]);
    disk.commit(batch).unwrap();
    disk.persist().unwrap();
    assert!(disk.bytes_used().unwrap() >= empty + (8 << 20));
}

fn filled(dir: &Path) {
    let disk = Disk::open(dir).unwrap();
    let mut batch = Batch::new();
    batch.put(A, &b"k"[..], &b"v"[..]);
    disk.commit(batch).unwrap();
    disk.persist().unwrap();
}

fn assert_filled(disk: &Disk) {
    assert_eq!(disk.get(A, b"k").unwrap(), Some(Bytes::from_static(b"v")));
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|item| item.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "CURRENT.next")
        .collect();
    names.sort();
    names
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "the condition did not come true within a minute"
        );
    }
}

fn is_table(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tables")
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// Copies a folder that is not in use; what is only zeros stays a hole.
fn copy_dir(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let bytes = fs::read(&file).unwrap();
        let used = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        let mut copy = fs::File::create(&target).unwrap();
        copy.write_all(&bytes[..used]).unwrap();
        copy.set_len(bytes.len() as u64).unwrap();
    }
}

fn journals(dir: &Path) -> Vec<PathBuf> {
    let mut journals = files(dir);
    journals.retain(|path| path.extension().is_some_and(|extension| extension == "jnl"));
    journals.sort();
    journals
}

/// Bytes of a journal up to the zeros that it was made of.
fn used(journal: &Path) -> u64 {
    let bytes = fs::read(journal).unwrap();
    bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last as u64 + 1)
}

fn journal_bytes(dir: &Path) -> u64 {
    journals(dir).iter().map(|journal| used(journal)).sum()
}

/// Makes everything in the journals beyond `keep` bytes zeros again, as if it had never reached the disk.
fn cut_journals(dir: &Path, mut keep: u64) {
    for journal in journals(dir) {
        let used = used(&journal);
        let kept = keep.min(used);
        keep -= kept;
        let mut file = fs::OpenOptions::new().write(true).open(&journal).unwrap();
        file.seek(SeekFrom::Start(kept)).unwrap();
        file.write_all(&vec![0; usize::try_from(used - kept).unwrap()])
            .unwrap();
    }
}
