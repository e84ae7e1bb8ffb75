//! What two clusters never have in common is taken out of their answers: ids, addresses, terms, sizes and times.

use std::ops::RangeInclusive;

/// Numbers in JSON that say nothing; where one is absent, or zero, that does.
const NUMBERS: [&str; 10] = [
    "cluster_id",
    "member_id",
    "memberID",
    "raft_term",
    "raftTerm",
    "raftIndex",
    "raftAppliedIndex",
    "leader",
    "dbSize",
    "dbSizeInUse",
];
/// The same in etcdctl's format `fields`.
const FIELDS: [&str; 9] = [
    "ClusterID",
    "MemberID",
    "RaftTerm",
    "RaftIndex",
    "RaftAppliedIndex",
    "Leader",
    "DBSize",
    "DBSizeInUse",
    "ID",
];
/// Ids of leases that a cluster has drawn have more digits than those that a test makes up.
const LEASE_DIGITS_MIN: usize = 12;
/// So many hexadecimal digits are an id.
const ID_DIGITS: RangeInclusive<usize> = 12..=16;

/// The text of an answer as any cluster would give it that is reached at `endpoints`.
pub fn masked(mut text: String, endpoints: &[String]) -> String {
    for (number, endpoint) in endpoints.iter().enumerate() {
        text = text.replace(&format!("http://{endpoint}"), &format!("<url{number}>"));
        text = text.replace(endpoint, &format!("<endpoint{number}>"));
    }
    for name in NUMBERS {
        text = without(&text, &format!("\"{name}\":"), |rest| {
            match rest.starts_with('0') {
                true => 0,
                false => digits(rest),
            }
        });
    }
    for name in FIELDS {
        text = without(&text, &format!("\"{name}\" : "), |rest| {
            match run(rest, is_hexadecimal) {
                1 if rest.starts_with('0') => 0,
                length => length,
            }
        });
    }
    for name in ["ID", "id", "lease", "Lease"] {
        text = without(&text, &format!("\"{name}\":"), |rest| long(digits(rest)));
    }
    text = without(&text, "\"Lease\" : ", |rest| {
        long(run(rest, is_hexadecimal))
    });
    // How many spaces are between two fields depends on etcd's build.
    text = without(&text, "memberID:", digits).replace("#  alarm:", "# alarm:");
    for label in ["\"ttl\":", "\"TTL\" : ", "remaining("] {
        text = without(&text, label, digits);
    }
    for label in ["took ", "took = ", "\"took\":\""] {
        text = without(&text, label, |rest| {
            run(rest, |letter: char| {
                letter.is_alphanumeric() || letter == '.'
            })
        });
    }
    without_ids(&text)
}

/// A masked text that does not tell which endpoint is which.
pub fn without_numbers_of_urls(text: &str) -> String {
    without(text, "<url", digits)
}

/// Standard error without the lines of etcdctl's log, and without the stack where it panics.
pub fn without_log(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("{\"level\":"));
    let lines: Vec<&str> = lines.collect();
    match lines.first() {
        Some(first) if first.starts_with("panic:") => (*first).to_owned(),
        _ => lines.join("\n"),
    }
}

/// The text with `#` in place of what follows each `label`, as far as `length` says.
fn without(text: &str, label: &str, length: impl Fn(&str) -> usize) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(label) {
        let (before, from) = rest.split_at(at + label.len());
        masked.push_str(before);
        let (hidden, after) = from.split_at(length(from));
        if !hidden.is_empty() {
            masked.push('#');
        }
        rest = after;
    }
    masked + rest
}

/// The text with `<id>` in place of each word that can be nothing else.
fn without_ids(text: &str) -> String {
    let is_id = |word: &str| ID_DIGITS.contains(&word.len()) && word.chars().all(is_hexadecimal);
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_of_word) {
        let (before, from) = rest.split_at(at);
        let (word, after) = from.split_at(run(from, is_of_word));
        masked.push_str(before);
        masked.push_str(if is_id(word) { "<id>" } else { word });
        rest = after;
    }
    masked + rest
}

/// How many bytes of the text have only such letters.
fn run(text: &str, is_such: impl Fn(char) -> bool) -> usize {
    let end = text.find(|letter: char| !is_such(letter));
    end.unwrap_or(text.len())
}

fn digits(text: &str) -> usize {
    run(text, |letter: char| letter.is_ascii_digit())
}

fn long(digits: usize) -> usize {
    match digits >= LEASE_DIGITS_MIN {
        true => digits,
        false => 0,
    }
}

fn is_hexadecimal(letter: char) -> bool {
    matches!(letter, '0'..='9' | 'a'..='f')
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}
