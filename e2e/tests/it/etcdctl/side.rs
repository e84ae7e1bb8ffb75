//! One of the two clusters, as etcdctl sees it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process;

use serde_json::Value;
use tempfile::TempDir;

use super::mask;
use super::run::{Answer, Ending, Run};
use super::script::{self, Command};

/// A cluster that is given command lines.
pub struct Side {
    etcdctl: PathBuf,
    /// The first one serves.
    endpoints: Vec<String>,
    /// The revision at the start of this file.
    start: i64,
    /// Ids of what was granted in this file.
    leases: Vec<String>,
    /// Where etcdctl may leave files.
    folder: TempDir,
    /// What runs, with the numbers of its commands.
    background: Vec<(usize, Run)>,
}

impl Side {
    /// The cluster that serves at these URLs.
    pub fn new(etcdctl: PathBuf, urls: &[String]) -> Side {
        let endpoint = |url: &String| url.trim_start_matches("http://").to_owned();
        Side {
            etcdctl,
            endpoints: urls.iter().map(endpoint).collect(),
            start: 0,
            leases: Vec::new(),
            folder: tempfile::tempdir().unwrap(),
            background: Vec::new(),
        }
    }

    /// Begins a file, and gives the revision.
    pub fn begin(&mut self) -> i64 {
        let found = self.json(&["get", "none"]);
        self.start = found["header"]["revision"].as_i64().unwrap();
        self.leases.clear();
        self.start
    }

    /// Writes until there are so many revisions, and begins a file.
    pub fn fill_up_to(&mut self, revision: i64) {
        while self.begin() < revision {
            self.json(&["put", "~~fill", "0"]);
        }
    }

    /// Gives a command. The answer comes with the number, at once or from [`Side::join`].
    pub fn ask(&mut self, number: usize, command: &Command) -> Vec<(usize, Answer)> {
        let words = script::arguments(&command.line);
        // What is asked, after who asks.
        let asked = match words.first().map(String::as_str) {
            Some("--user") => &words[2..],
            _ => &words,
        };
        let goes_on = match asked.first().map(String::as_str) {
            Some("watch") => true,
            Some("lease") => asked[1] == "keep-alive" && !words.contains(&"--once".to_owned()),
            _ => false,
        };
        let grants = asked.starts_with(&["lease".to_owned(), "grant".to_owned()]);
        let ending = match goes_on {
            true => Ending::WhenStill,
            false => Ending::ByItself,
        };
        let arguments = self.arguments(&words);
        let input = self.filled_in(&command.input);
        let run = Run::start(&self.etcdctl, &arguments, input, ending);
        if command.background {
            self.background.push((number, run));
            return Vec::new();
        }
        let answer = run.end();
        if grants {
            // One that failed is counted too.
            let id = granted(&answer.out).unwrap_or_else(|| "0".to_owned());
            self.leases.push(id);
        }
        let mut answer = self.masked(answer);
        if words.iter().any(|word| word == "--cluster") {
            // Members answer in the order of their luck.
            answer.out = mask::without_numbers_of_urls(&answer.out);
        }
        vec![(number, answer)]
    }

    /// Ends what is in the background.
    pub fn join(&mut self) -> Vec<(usize, Answer)> {
        let runs = std::mem::take(&mut self.background).into_iter();
        runs.map(|(number, run)| (number, self.masked(run.end())))
            .collect()
    }

    fn masked(&self, answer: Answer) -> Answer {
        let masked = |text: String| {
            let text = text.replace(&self.folder(), "<folder>");
            mask::masked(text, &self.endpoints)
        };
        Answer {
            out: masked(answer.out),
            err: masked(mask::without_log(&answer.err)),
            end: answer.end,
        }
    }

    fn arguments(&self, words: &[String]) -> Vec<OsString> {
        let mut arguments = Vec::new();
        if words.first().is_none_or(|word| word != "--endpoints") {
            arguments.push("--endpoints".into());
            arguments.push(self.endpoints[0].clone().into());
        }
        let given = words.iter().map(|word| bytes(&self.filled_in(word)));
        arguments.extend(given.map(OsString::from_vec));
        arguments
    }

    /// The text with what its braces stand for.
    fn filled_in(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, from)) = rest.split_once('{') {
            filled.push_str(before);
            let known = from
                .split_once('}')
                .and_then(|(name, after)| Some((self.named(name)?, after)));
            match known {
                Some((value, after)) => {
                    filled.push_str(&value);
                    rest = after;
                }
                None => {
                    filled.push('{');
                    rest = from;
                }
            }
        }
        filled + rest
    }

    fn named(&self, name: &str) -> Option<String> {
        if let Some(number) = name.strip_prefix("lease") {
            let index = number.parse::<usize>().ok()?.checked_sub(1)?;
            return self.leases.get(index).cloned();
        }
        if let Some((what, times)) = name.split_once('*') {
            return Some(what.repeat(times.parse().ok()?));
        }
        match name {
            "folder" => Some(self.folder()),
            "all" => Some(self.endpoints.join(",")),
            "leader" => Some(format!("{:x}", self.leader())),
            "follower" => Some(format!("{:x}", self.follower())),
            _ => {
                let after = name.parse::<i64>().ok()?;
                Some((self.start + after).to_string())
            }
        }
    }

    fn folder(&self) -> String {
        self.folder.path().display().to_string()
    }

    fn leader(&self) -> u64 {
        let status = self.json(&["endpoint", "status"]);
        status[0]["Status"]["leader"].as_u64().unwrap()
    }

    fn follower(&self) -> u64 {
        let leader = self.leader();
        let found = self.json(&["member", "list"]);
        let members = found["members"].as_array().unwrap();
        let mut ids = members.iter().map(|member| member["ID"].as_u64().unwrap());
        ids.find(|id| *id != leader).unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        let mut command = process::Command::new(&self.etcdctl);
        command.args(["--endpoints", &self.endpoints[0], "-w", "json"]);
        let output = command.args(words).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            let said = String::from_utf8_lossy(&output.stderr);
            panic!("etcdctl {words:?} gave no JSON ({error}): {said}")
        })
    }
}

/// The bytes of an argument, of which `\xff` is one.
fn bytes(argument: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(argument.len());
    let mut rest = argument;
    while let Some((before, from)) = rest.split_once("\\x") {
        bytes.extend_from_slice(before.as_bytes());
        let (digits, after) = from.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).unwrap());
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// The id of a lease that was granted, in hexadecimal: as plain text says it, or JSON, or `fields`.
fn granted(out: &str) -> Option<String> {
    if let Some(rest) = out.strip_prefix("lease ") {
        let (id, _) = rest.split_once(" granted")?;
        return Some(id.to_owned());
    }
    let (_, rest) = out.split_once("\"ID\"")?;
    let rest = rest.trim_start_matches([' ', ':']);
    let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
    let id: u64 = rest[..end].parse().ok()?;
    Some(format!("{id:x}"))
}
