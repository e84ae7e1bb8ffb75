//! One etcdctl on its way.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use e2e::child::spawn_kept;
use rustix::process::{Pid, Signal, kill_process};

/// What said nothing for so long has said everything: nothing else tells that a watch has.
const STILL: Duration = Duration::from_secs(2);
/// Longer is none waited for.
const LONGEST: Duration = Duration::from_secs(20);
/// Time between two lines that are typed in.
const TYPING: Duration = Duration::from_millis(500);
/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a command says.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
    /// How it ended: by itself, or stopped.
    pub end: String,
}

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself.
    ByItself,
    /// It is stopped once it is still. Until then its standard input stays open, as if someone typed.
    WhenStill,
}

/// The process, which does not outlive this.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where it has ended and was waited for.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// When something was said last.
#[derive(Clone)]
struct Last(Arc<Mutex<Instant>>);

impl Last {
    fn renew(&self) {
        *self.0.lock().unwrap() = Instant::now();
    }

    fn ago(&self) -> Duration {
        self.0.lock().unwrap().elapsed()
    }
}

/// A command that runs.
pub struct Run {
    process: Process,
    last: Last,
    ending: Ending,
    input: JoinHandle<Option<ChildStdin>>,
    out: JoinHandle<Vec<u8>>,
    err: JoinHandle<Vec<u8>>,
}

impl Run {
    /// Starts it.
    pub fn start(program: &Path, arguments: &[OsString], input: String, ending: Ending) -> Run {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = spawn_kept(command).unwrap();
        let last = Last(Arc::new(Mutex::new(Instant::now())));
        let stdin = child.stdin.take().unwrap();
        let stdout = child.stdout.take().unwrap();
        let stderr = child.stderr.take().unwrap();
        Run {
            process: Process(child),
            ending,
            input: feed(stdin, input, ending, last.clone()),
            out: listen(stdout, last.clone()),
            err: listen(stderr, last.clone()),
            last,
        }
    }

    /// Waits for its end.
    pub fn end(mut self) -> Answer {
        let began = Instant::now();
        let mut stopped: Option<Instant> = None;
        let status = loop {
            let process = &mut self.process.0;
            if let Some(status) = process.try_wait().unwrap() {
                break status;
            }
            let is_still = self.ending == Ending::WhenStill && self.last.ago() > STILL;
            match stopped {
                None if is_still || began.elapsed() > LONGEST => {
                    kill_process(Pid::from_child(process), Signal::INT).unwrap();
                    stopped = Some(Instant::now());
                }
                Some(at) if at.elapsed() > STILL => process.kill().unwrap(),
                _ => {}
            }
            thread::sleep(LOOK_EVERY);
        };
        drop(self.input.join());
        Answer {
            out: text(self.out.join().unwrap()),
            err: text(self.err.join().unwrap()),
            end: match stopped {
                Some(_) => "stopped".to_owned(),
                None => status.to_string(),
            },
        }
    }
}

/// Gives a command its input, and gives back what must stay open.
fn feed(
    mut stdin: ChildStdin,
    input: String,
    ending: Ending,
    last: Last,
) -> JoinHandle<Option<ChildStdin>> {
    // One that reads nothing of it ends all the same, and says why.
    thread::spawn(move || match ending {
        Ending::ByItself => {
            stdin.write_all(input.as_bytes()).ok();
            None
        }
        Ending::WhenStill => {
            for line in input.split_inclusive('\n') {
                stdin.write_all(line.as_bytes()).ok();
                last.renew();
                thread::sleep(TYPING);
            }
            Some(stdin)
        }
    })
}

fn listen(mut pipe: impl Read + Send + 'static, last: Last) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let (mut heard, mut piece) = (Vec::new(), vec![0; 1 << 16]);
        while let Ok(length) = pipe.read(&mut piece)
            && length > 0
        {
            heard.extend_from_slice(&piece[..length]);
            last.renew();
        }
        heard
    })
}

/// What was said; with every byte told apart where it is no text.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| error.as_bytes().escape_ascii().to_string())
}
