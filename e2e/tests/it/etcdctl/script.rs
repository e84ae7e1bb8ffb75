//! The files of command lines, as `testdata/etcdctl/README.md` describes them.

use std::iter::Enumerate;
use std::ops::RangeInclusive;
use std::str::Lines;
use std::time::Duration;

/// What a file has done next.
pub enum Step {
    /// A command is given.
    Ask(Command),
    /// What is in the background ends.
    Join,
    /// Nothing, for so long.
    Sleep(Duration),
}

/// A command line of etcdctl.
pub struct Command {
    /// File and line.
    pub at: String,
    /// The arguments, as they are written.
    pub line: String,
    /// What is on its standard input.
    pub input: String,
    /// Whether others follow while it runs.
    pub background: bool,
    /// Why it is known to be answered differently.
    pub differs: Option<String>,
}

/// Reads the text of a file.
pub fn parse(file: &str, text: &str) -> Vec<Step> {
    let mut lines = text.lines().enumerate();
    let mut steps = Vec::new();
    let mut differs = None;
    while let Some((number, line)) = lines.next() {
        let (at, line) = (format!("{file}:{}", number + 1), line.trim());
        if let Some(reason) = line.strip_prefix("#! differs: ") {
            differs = Some(reason.to_owned());
            continue;
        }
        assert!(!line.starts_with("#!"), "{at}: a mark without a reason");
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let step = match line.strip_prefix("sleep ") {
            Some(seconds) => Step::Sleep(Duration::from_secs_f64(seconds.parse().unwrap())),
            None if line == "join" => Step::Join,
            None => {
                let (line, background) = match line.strip_prefix("& ") {
                    Some(line) => (line, true),
                    None => (line, false),
                };
                let (line, input) = match line.split_once("<<") {
                    Some((line, mark)) => (line.trim_end(), block(&mut lines, mark)),
                    None => (line, String::new()),
                };
                Step::Ask(Command {
                    at: at.clone(),
                    line: line.to_owned(),
                    input,
                    background,
                    differs: differs.take(),
                })
            }
        };
        assert!(differs.is_none(), "{at}: what gives no answer is marked");
        steps.push(step);
    }
    assert!(differs.is_none(), "{file}: nothing follows the last mark");
    steps
}

/// The lines up to one that is `mark`, without the last line break where the mark has a dash.
fn block(lines: &mut Enumerate<Lines<'_>>, mark: &str) -> String {
    let (mark, is_bare) = match mark.strip_prefix('-') {
        Some(mark) => (mark, true),
        None => (mark, false),
    };
    let mut block = String::new();
    for (_, line) in lines.take_while(|(_, line)| line.trim() != mark) {
        match numbered(line) {
            Some((before, numbers, after)) => {
                for number in numbers {
                    block += &format!("{before}{number}{after}\n");
                }
            }
            None => {
                block += line;
                block.push('\n');
            }
        }
    }
    if is_bare {
        block.pop();
    }
    block
}

/// A line that stands for many: what is before and after the number, and which numbers.
fn numbered(line: &str) -> Option<(&str, RangeInclusive<u32>, &str)> {
    let (before, rest) = line.split_once('{')?;
    let (numbers, after) = rest.split_once('}')?;
    let (first, last) = numbers.split_once("..")?;
    let numbers = first.parse().ok()?..=last.parse().ok()?;
    Some((before, numbers, after))
}

/// Splits a line as a shell does.
pub fn arguments(line: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut argument: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (None | Some('"'), '\\') => argument.get_or_insert_default().extend(letters.next()),
            (None, '\'' | '"') => {
                quote = Some(letter);
                argument.get_or_insert_default();
            }
            (None, _) if letter.is_whitespace() => arguments.extend(argument.take()),
            _ => argument.get_or_insert_default().push(letter),
        }
    }
    arguments.extend(argument);
    arguments
}
