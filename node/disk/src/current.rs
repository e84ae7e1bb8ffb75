//! The file that names the folder with the state.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::DiskError;

const CURRENT: &str = "CURRENT";
const CURRENT_NEXT: &str = "CURRENT.next";
const TITLE: &str = "kluster-state";
const FORMAT: u32 = 1;
const STATE: &str = "state-";
const ASIDE: &str = "aside-";

/// The number of the folder that `CURRENT` names; nothing where there is no state yet.
pub(crate) fn read(dir: &Path) -> Result<Option<u64>, DiskError> {
    let path = dir.join(CURRENT);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DiskError::io("read", &path)(error)),
    };
    let damaged = DiskError::Damaged {
        path: dir.to_owned(),
        what: "its file CURRENT is not readable",
        source: None,
    };
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines();
    let format = lines
        .next()
        .and_then(|line| line.strip_prefix(TITLE)?.trim().parse::<u32>().ok());
    match format {
        Some(FORMAT) => {}
        Some(found) if found > FORMAT => {
            return Err(DiskError::FromTheFuture {
                path: dir.to_owned(),
                found,
                known: FORMAT,
            });
        }
        _ => return Err(damaged),
    }
    match lines.next().and_then(|name| number(name, STATE)) {
        Some(number) if lines.next().is_none() => Ok(Some(number)),
        _ => Err(damaged),
    }
}

/// Makes `CURRENT` name the folder `number`, atomically and durably.
pub(crate) fn write(dir: &Path, number: u64) -> io::Result<()> {
    let next = dir.join(CURRENT_NEXT);
    let mut file = File::create(&next)?;
    writeln!(file, "{TITLE} {FORMAT}\n{STATE}{number}")?;
    file.sync_all()?;
    fs::rename(&next, dir.join(CURRENT))?;
    sync_dir(dir)
}

/// Makes what was created, renamed and removed in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The folder of state `number`.
pub(crate) fn state_dir(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{STATE}{number}"))
}

/// The folder in which state `number` is set aside.
pub(crate) fn aside_dir(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{ASIDE}{number}"))
}

/// What lies in the folder besides `CURRENT`.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub states: Vec<u64>,
    pub asides: Vec<u64>,
}

impl Contents {
    pub fn list(dir: &Path) -> io::Result<Contents> {
        let mut contents = Contents::default();
        for item in fs::read_dir(dir)? {
            let name = item?.file_name();
            let name = name.to_string_lossy();
            contents.states.extend(number(&name, STATE));
            contents.asides.extend(number(&name, ASIDE));
        }
        Ok(contents)
    }

    /// A number that no folder has.
    pub fn next(&self) -> u64 {
        let used = self.states.iter().chain(&self.asides).max();
        used.map_or(1, |used| used + 1)
    }
}

fn number(name: &str, prefix: &str) -> Option<u64> {
    name.strip_prefix(prefix)?.parse().ok()
}
