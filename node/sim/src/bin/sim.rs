//! `sim`: runs seeds, shows how far it is, and for a promise that was broken the one command that shows it again.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Parser;
use node_host::Flaw;
use node_sim::campaign::{Broken, Case, Coverage, hunt, run, shrink};

/// Runs that a schedule is shrunk with.
const SHRINK_RUNS: usize = 120;

/// Runs whole clusters in one process, on virtual time, with faults drawn from seeds.
#[derive(Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Only one seed: prints everything that happened.
    #[arg(long)]
    seed: Option<u64>,
    /// With --seed: only these events of its schedule, as numbers with commas.
    #[arg(long, value_delimiter = ',', requires = "seed")]
    only: Option<Vec<usize>>,
    /// With --seed: events only, none of what the nodes did.
    #[arg(long, requires = "seed")]
    brief: bool,
    /// A mistake that all nodes make, to see whether it is found: a name, or `list`.
    #[arg(long)]
    flaw: Option<String>,
    /// For every mistake: how many seeds it takes to find it, at most --seeds.
    #[arg(long)]
    hunt: bool,
    /// Seeds that run at the same time.
    #[arg(long, default_value_t = 2)]
    at_once: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let flaw = match arguments.flaw.as_deref().map(named) {
        None => None,
        Some(Some(flaw)) => Some(flaw),
        Some(None) => {
            let names: Vec<String> = Flaw::ALL.iter().map(|flaw| format!("{flaw:?}")).collect();
            eprintln!("the mistakes are: {}", names.join(", "));
            return ExitCode::from(2);
        }
    };
    match arguments.seed {
        Some(seed) => one(&arguments, seed, flaw),
        None if arguments.hunt => hunt_all(&arguments),
        None => many(&arguments, flaw),
    }
}

fn hunt_all(arguments: &Arguments) -> ExitCode {
    let flaws = Mutex::new(Flaw::ALL.into_iter());
    let missed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..arguments.at_once {
            scope.spawn(|| {
                loop {
                    let Some(flaw) = locked(&flaws).next() else {
                        return;
                    };
                    match hunt(flaw, arguments.from, arguments.seeds) {
                        Some((seeds, broken)) => {
                            println!("{flaw:?}: found by seed {seeds}: {}", broken.promise);
                        }
                        None => {
                            missed.fetch_add(1, Ordering::Relaxed);
                            println!("{flaw:?}: NOT FOUND in {} seeds", arguments.seeds);
                        }
                    }
                }
            });
        }
    });
    match missed.into_inner() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn named(name: &str) -> Option<Flaw> {
    Flaw::ALL
        .into_iter()
        .find(|flaw| format!("{flaw:?}") == name)
}

fn one(arguments: &Arguments, seed: u64, flaw: Option<Flaw>) -> ExitCode {
    let mut case = Case::of(seed, flaw);
    if let Some(only) = &arguments.only {
        case.schedule = case.schedule.only(only);
    }
    for event in &case.schedule.0 {
        println!("{event}");
    }
    let run = run(&case);
    if !arguments.brief {
        run.trace.lines().iter().for_each(|line| println!("{line}"));
    }
    println!("{:#?}", run.coverage);
    match run.verdict {
        Ok(()) => {
            println!("every promise was kept");
            ExitCode::SUCCESS
        }
        Err(broken) => {
            println!("BROKEN: {}\n{}", broken.promise, broken.seen);
            ExitCode::FAILURE
        }
    }
}

fn many(arguments: &Arguments, flaw: Option<Flaw>) -> ExitCode {
    let began = Instant::now();
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from + arguments.seeds;
    let sum = Mutex::new((0_u64, Coverage::default()));
    let first: Mutex<Option<(Case, Broken)>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..arguments.at_once {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || locked(&first).is_some() {
                        return;
                    }
                    let case = Case::of(seed, flaw);
                    let run = run(&case);
                    if let Err(broken) = run.verdict {
                        locked(&first).get_or_insert((case, broken));
                        return;
                    }
                    let mut sum = locked(&sum);
                    sum.0 += 1;
                    sum.1 += run.coverage;
                    if sum.0 % 20 == 0 {
                        let seconds = began.elapsed().as_secs();
                        eprintln!("{} of {} seeds, {seconds} s", sum.0, arguments.seeds);
                    }
                }
            });
        }
    });
    let (done, coverage) = *locked(&sum);
    let broken = locked(&first).take();
    if let Some((case, broken)) = broken {
        report(&case, &broken);
        return ExitCode::FAILURE;
    }
    println!("{coverage:#?}");
    let blind = coverage.blind_spots();
    if !blind.is_empty() {
        println!(
            "BLIND: in {done} seeds there were no {}",
            blind.join(", no ")
        );
        return ExitCode::FAILURE;
    }
    println!(
        "{done} seeds from {} on, {} s: every promise was kept",
        arguments.from,
        began.elapsed().as_secs()
    );
    ExitCode::SUCCESS
}

fn report(case: &Case, broken: &Broken) {
    println!(
        "BROKEN by seed {}: {}\n{}",
        case.seed, broken.promise, broken.seen
    );
    eprintln!(
        "shrinking its {} events, by at most {SHRINK_RUNS} runs",
        case.schedule.0.len()
    );
    let shrunk = shrink(case, broken, SHRINK_RUNS, |left| {
        eprintln!("{left} events are left")
    });
    for event in &shrunk.schedule.0 {
        println!("{event}");
    }
    let numbers: Vec<String> = shrunk
        .schedule
        .numbers()
        .iter()
        .map(usize::to_string)
        .collect();
    let flaw = case
        .flaw
        .map_or(String::new(), |flaw| format!(" --flaw {flaw:?}"));
    println!(
        "to see it again: make sim ARGS=\"--seed {} --only {}{flaw}\"",
        case.seed,
        numbers.join(",")
    );
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
