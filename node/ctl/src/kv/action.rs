//! The commands on all keys at once, and what they are told of servers.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use super::etcd::Access;
use super::import;
use crate::arguments::KeyFile;

/// What to do with all keys at once.
#[derive(Debug, Subcommand)]
pub enum KvAction {
    /// Move the keys of an etcd here: those of one that runs, or of a snapshot of it.
    ///
    /// Taken are the last state of every key, the leases with their ids and times (each has its full time again), users with
    /// their passwords, roles, and whether users are asked who they are. Left are what keys were before, their versions and
    /// revisions, and alarms. The revisions go on above those of the etcd, and a watch that is resumed from an old one is told
    /// that it is compacted: clients read anew, as after `etcdutl snapshot restore --bump-revision --mark-compacted`.
    ///
    /// Nothing writes to either side meanwhile. A target that has other keys, or other values, is refused before anything is
    /// written, and nothing that is there is ever overwritten. A run that was cut is simply run again. In the end everything is
    /// read back and compared.
    ///
    /// The etcd that is moved stays as it is. Run this beside a node of the target, in a pod for example:
    /// `kubectl exec -i demo-a-0 -c node -- klusterctl kv import --from-etcd - --dir /data < snapshot.db`
    Import(Box<Import>),
}

/// A move.
#[derive(Debug, Args)]
pub struct Import {
    /// The etcd to move, as one or more endpoints with commas between them; or the file of a snapshot, as `etcdctl snapshot
    /// save` writes it; or `-` for such a file on standard input.
    #[arg(long, value_name = "ENDPOINT|FILE|-")]
    pub from_etcd: String,
    #[command(flatten)]
    pub from: From,
    /// Take a file without looking at its checksum, such as a stopped etcd's `member/snap/db`, which has none.
    #[arg(long)]
    pub skip_hash_check: bool,
    /// Have the revisions go on so far above the last one of the snapshot. For an etcd that was written to after it.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub bump_revision: u64,
    /// Folder for the snapshot while this runs, unless it is a file already; in a node's pod /data.
    #[arg(long, value_name = "FOLDER", default_value_os_t = std::env::temp_dir())]
    pub dir: PathBuf,
    #[command(flatten)]
    pub to: To,
    /// Admin listener of a node of the target.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:6357")]
    pub admin: String,
}

/// As whom the etcd is asked that is moved.
#[derive(Debug, Args)]
pub struct From {
    /// Authorities of the etcd's certificate (PEM); with it an endpoint without a scheme is asked with TLS.
    #[arg(long, value_name = "FILE")]
    from_cacert: Option<PathBuf>,
    /// Certificate to show to the etcd (PEM).
    #[arg(long, value_name = "FILE", requires = "from_key")]
    from_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", requires = "from_cert")]
    from_key: Option<PathBuf>,
    /// User of the etcd, who must be root where users are asked.
    #[arg(long, value_name = "NAME[:PASSWORD]")]
    from_user: Option<String>,
    /// File with the user's password.
    #[arg(long, value_name = "FILE", requires = "from_user")]
    from_password_file: Option<PathBuf>,
}

/// Where and as whom the target is written to.
#[derive(Debug, Args)]
pub struct To {
    /// Where the target serves clients of etcd, with commas between several.
    #[arg(
        long,
        value_name = "ENDPOINTS",
        value_delimiter = ',',
        default_value = "127.0.0.1:2379"
    )]
    endpoints: Vec<String>,
    /// Authorities of the target's certificate (PEM); with it an endpoint without a scheme is asked with TLS.
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Certificate to show to the target (PEM).
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// User of the target, who must be root where users are asked.
    #[arg(long, value_name = "NAME[:PASSWORD]")]
    user: Option<String>,
    /// File with the user's password.
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
}

impl From {
    /// The access to these endpoints.
    ///
    /// # Errors
    /// When the password cannot be read.
    pub fn access(self, endpoints: Vec<String>) -> Result<Access> {
        Ok(Access {
            endpoints,
            ca_file: self.from_cacert,
            identity_files: self.from_cert.zip(self.from_key),
            user: user(self.from_user, self.from_password_file)?,
        })
    }
}

impl To {
    /// The access.
    ///
    /// # Errors
    /// When the password cannot be read.
    pub fn access(self) -> Result<Access> {
        Ok(Access {
            endpoints: self.endpoints,
            ca_file: self.cacert,
            identity_files: self.cert.zip(self.key),
            user: user(self.user, self.password_file)?,
        })
    }
}

fn user(name: Option<String>, file: Option<PathBuf>) -> Result<Option<(String, String)>> {
    let Some(name) = name else {
        return Ok(None);
    };
    if let Some(path) = file {
        let password = std::fs::read_to_string(&path);
        let password = password.with_context(|| format!("failed to read {}", path.display()))?;
        return Ok(Some((
            name,
            password.trim_end_matches(['\r', '\n']).to_owned(),
        )));
    }
    let both = name.split_once(':');
    let both = both.map(|(name, password)| (name.to_owned(), password.to_owned()));
    both.map(Some)
        .with_context(|| format!("the password of {name} is missing: NAME:PASSWORD, or a file"))
}

/// Does it.
///
/// # Errors
/// With what stood in the way, and how to go on.
pub async fn act(action: KvAction, key: &KeyFile) -> Result<ExitCode> {
    match action {
        KvAction::Import(import) => import::run(*import, key).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_given_or_lies_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "a:b \n").unwrap();
        let user = |name: &str, file: Option<PathBuf>| user(Some(name.to_owned()), file);
        let both = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        assert_eq!(user("root:a:b", None).unwrap(), both("root", "a:b"));
        assert_eq!(user("root", Some(file)).unwrap(), both("root", "a:b "));
        assert!(user("root", None).is_err());
        assert!(user("root", Some(folder.path().join("none"))).is_err());
    }
}
