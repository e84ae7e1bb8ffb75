//! One `kluster-node` process, its folder and its addresses.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use e2e::tools::debian;
use node_api::{AdminClient, Data};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::deadline::LONG;

/// The key that all processes of these tests share.
pub const KEY: &str = "a key that is at least thirty-two bytes long";

/// What gives a process a clock of its own.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// The addresses that a process prints.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Bound {
    pub http: String,
    pub etcd: String,
    pub admin: String,
    pub peers: String,
    pub metrics: String,
}

/// A node: its folder, and its process while it runs. Dropping it kills the process.
pub struct Node {
    dir: PathBuf,
    host: String,
    /// Where peers reach it.
    advertised: String,
    pub bound: Bound,
    /// What its config has besides.
    sections: String,
    /// Whether its clock can be set.
    clock_can_be_set: bool,
    child: Option<Child>,
}

impl Node {
    /// Writes the config of a node in `dir`, which listens at `host`, an address of the loopback net that is its own.
    pub fn new(dir: PathBuf, host: String) -> Node {
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("key"), KEY).unwrap();
        Node {
            dir,
            advertised: host.clone(),
            host,
            bound: Bound::default(),
            sections: String::new(),
            clock_can_be_set: false,
            child: None,
        }
    }

    /// Gives it a clock of its own from its next start on.
    pub fn with_a_clock(&mut self) {
        debian::ensure(&[("libfaketime", FAKETIME)]).unwrap();
        self.clock_can_be_set = true;
        self.set_clock(0);
    }

    /// Sets its clock, which is so many seconds before or behind the machine's then. What counts time by no date goes on.
    pub fn set_clock(&self, seconds: i64) {
        let (file, next) = (self.dir.join("clock"), self.dir.join("clock.next"));
        std::fs::write(&next, format!("{seconds:+}")).unwrap();
        std::fs::rename(next, file).unwrap();
    }

    /// Has peers reach it at another address of its own, which is given: a proxy listens there.
    pub fn behind_a_proxy(&mut self) -> String {
        let (net, number) = self.host.rsplit_once('.').unwrap();
        self.advertised = format!("{net}.{}", number.parse::<u8>().unwrap() + 100);
        self.advertised.clone()
    }

    /// Adds to its config, from its next start on.
    pub fn configure(&mut self, sections: &str) {
        self.sections.push_str(sections);
    }

    /// The address that it listens at.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// True while its process has not ended.
    pub fn is_running(&mut self) -> bool {
        let child = self.child.as_mut().expect("it was started");
        child.try_wait().unwrap().is_none()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// The file with the cluster key.
    pub fn key_file(&self) -> PathBuf {
        self.dir.join("key")
    }

    /// The config: free ports at first, the same ones ever after.
    fn write_config(&self) -> PathBuf {
        let port = |address: &str| {
            address
                .rsplit_once(':')
                .map_or("0", |(_, port)| port)
                .to_owned()
        };
        let Node {
            host,
            advertised,
            bound,
            sections,
            ..
        } = self;
        let text = format!(
            "data_dir = {:?}\ncluster_key_file = {:?}\n\
             [listen]\nhost = {host:?}\nhttp_port = {}\netcd_port = {}\nadmin_port = {}\npeer_port = {}\nmetrics_port = {}\n\
             [advertise]\nhost = {advertised:?}\n\
             [log]\nsnapshot_every_entries = 500\nkeep_entries = 100\n{sections}",
            self.data_dir(),
            self.key_file(),
            port(&bound.http),
            port(&bound.etcd),
            port(&bound.admin),
            port(&bound.peers),
            port(&bound.metrics),
        );
        let path = self.config_file();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn config_file(&self) -> PathBuf {
        self.dir.join("node.toml")
    }

    /// Starts the process and waits until it listens.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let config = self.write_config();
        let mut command = command(&config, &self.dir);
        if self.clock_can_be_set {
            command
                .env("LD_PRELOAD", FAKETIME)
                .env("FAKETIME_TIMESTAMP_FILE", self.dir.join("clock"))
                .env("FAKETIME_NO_CACHE", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (said, heard) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).unwrap();
            said.send(line).unwrap();
        });
        let line = heard.recv_timeout(LONG).expect("it says where it listens");
        self.child = Some(child);
        self.bound = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("it did not start: {line:?}\n{}", self.log()));
    }

    /// Starts a process that is expected to give up; its exit status and what it wrote on stderr.
    pub fn start_in_vain(&self) -> (ExitStatus, String) {
        let mut child = spawn(&self.write_config(), &self.dir);
        let status = wait(&mut child, LONG).expect("it ends");
        (status, self.log())
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM.
    pub fn tell_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGSTOP: it does nothing until it may go on, and knows nothing of it then.
    pub fn stand_still(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.child.as_ref().expect("it runs"));
        kill_process(pid, signal).unwrap();
    }

    /// SIGTERM; the exit status and the time it took.
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        self.tell_to_stop();
        let status = self.wait();
        (status, begun.elapsed())
    }

    /// Starts the process and tells it to stop as soon as this entry of its data folder is there.
    pub fn terminate_at(&mut self, entry: &str) -> ExitStatus {
        let path = self.data_dir().join(entry);
        assert!(!path.exists(), "{path:?} is there already");
        self.child = Some(spawn(&self.write_config(), &self.dir));
        let begun = Instant::now();
        while !path.exists() {
            assert!(begun.elapsed() < LONG, "{path:?} does not come");
            std::hint::spin_loop();
        }
        self.terminate().0
    }

    /// Waits for the process to end.
    pub fn wait(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("it runs");
        let status = wait(child, LONG).expect("it ends");
        self.child = None;
        status
    }

    pub async fn admin(&self) -> Result<AdminClient, String> {
        AdminClient::connect(&self.bound.admin, KEY.as_bytes())
            .await
            .map_err(|e| e.to_string())
    }

    pub fn data(&self) -> Data {
        Data::new(&self.bound.http).unwrap()
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// What it wrote on stderr since its last start.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("stderr")).unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(4000);
            eprintln!(
                "--- {} ---\n{}",
                self.bound.http,
                log.get(from..).unwrap_or(&log)
            );
        }
    }
}

/// The program itself, on any config file; stderr goes to a file in `dir`.
pub fn spawn(config: &Path, dir: &Path) -> Child {
    command(config, dir).spawn().unwrap()
}

fn command(config: &Path, dir: &Path) -> Command {
    let stderr = File::create(dir.join("stderr")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kluster-node"));
    command
        .arg("--config")
        .arg(config)
        .env_remove("KLUSTER_BIND_HOST")
        .env_remove("KLUSTER_ADVERTISE_HOST")
        .env("RUST_LOG", "info")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr);
    command
}

/// Runs the node program with these arguments to its end: exit status, stdout, stderr.
pub fn run(arguments: &[&str]) -> (ExitStatus, String, String) {
    run_program(Path::new(env!("CARGO_BIN_EXE_kluster-node")), arguments)
}

/// Runs a program with these arguments to its end: exit status, stdout, stderr.
pub fn run_program(program: &Path, arguments: &[&str]) -> (ExitStatus, String, String) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = wait(&mut child, LONG).expect("it ends");
    let (mut out, mut err) = (String::new(), String::new());
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    (status, out, err)
}

fn wait(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if begun.elapsed() > within {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
