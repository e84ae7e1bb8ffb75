//! What the demo prints: numbered steps with the time since the start, and the commands behind them.

use std::ffi::OsStr;
use std::time::Instant;

use anyhow::Result;

use crate::commands::{Commands, shown};

/// The screen of the person who watches.
pub struct Screen {
    started: Instant,
    step: u32,
    commands: Commands,
}

impl Screen {
    /// A screen that shows what `commands` do.
    pub fn new(commands: Commands) -> Self {
        Self {
            started: Instant::now(),
            step: 0,
            commands,
        }
    }

    /// Announces the next step.
    pub fn step(&mut self, what: &str) {
        self.step += 1;
        println!(
            "\n[{:>4} s] {}. {what}",
            self.started.elapsed().as_secs(),
            self.step
        );
    }

    /// Says one thing below the step.
    pub fn say(&self, what: &str) {
        println!("         {what}");
    }

    /// Shows a command and runs it, its output on the screen.
    pub fn run<S: AsRef<OsStr>>(&self, program: &str, arguments: &[S]) -> Result<()> {
        self.say(&format!("$ {}", shown(program, arguments)));
        self.commands.run(program, arguments)
    }

    /// Runs a command out of sight and returns what it printed.
    pub fn ask<S: AsRef<OsStr>>(&self, program: &str, arguments: &[S]) -> Result<String> {
        self.commands.ask(program, arguments)
    }
}
