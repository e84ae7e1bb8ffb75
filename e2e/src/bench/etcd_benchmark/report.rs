//! What the tool prints: one report or two, each under a line that says of what.

use std::str::FromStr;

/// One report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The line that says of what; empty where there is none.
    pub of: String,
    /// Requests a second.
    pub rate: f64,
    /// The median of what one took, in microseconds; zero where the tool took it for less than nothing.
    pub p50_us: f64,
    /// What 99 in 100 took at most.
    pub p99_us: f64,
    /// Requests that were answered with an error.
    pub errors: u64,
}

/// The reports in what the tool printed. There is none of requests that all failed.
pub fn read(printed: &str) -> Vec<Report> {
    let mut reports: Vec<Report> = Vec::new();
    let mut of = "";
    for line in printed.lines() {
        if line == "Summary:" {
            let of = std::mem::take(&mut of).to_owned();
            reports.push(Report {
                of,
                ..Report::default()
            });
        } else if let Some(title) = line.strip_suffix(':') {
            of = match title {
                "Response time histogram" | "Latency distribution" | "Error distribution" => "",
                title => title,
            };
        } else if let Some(report) = reports.last_mut() {
            read_line(report, line);
        }
    }
    reports
}

fn read_line(report: &mut Report, line: &str) {
    let seconds = |text: &str| number(text.trim_end_matches(" secs."));
    if let Some(rate) = line.strip_prefix("  Requests/sec:\t") {
        report.rate = number(rate);
    } else if let Some(took) = line.strip_prefix("  50% in ") {
        report.p50_us = seconds(took) * 1e6;
    } else if let Some(took) = line.strip_prefix("  99% in ") {
        report.p99_us = seconds(took) * 1e6;
    } else if let Some((count, _)) = line
        .strip_prefix("  [")
        .and_then(|error| error.split_once("]\t"))
    {
        report.errors += u64::from_str(count).unwrap_or_default();
    }
}

fn number(text: &str) -> f64 {
    f64::from_str(text).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::{Report, read};

    // What the tool printed at an etcd, with `--precise`.
    const PUT_WITH_ERRORS: &str =
        include_str!("../../../testdata/etcd-benchmark/put-with-errors.txt");
    const TXN_MIXED: &str = include_str!("../../../testdata/etcd-benchmark/txn-mixed.txt");
    const WATCH: &str = include_str!("../../../testdata/etcd-benchmark/watch.txt");
    const WATCH_LATENCY: &str = include_str!("../../../testdata/etcd-benchmark/watch-latency.txt");

    fn check(printed: &str, wanted: &[(&str, f64, f64, f64, u64)]) {
        let wanted = wanted.iter().map(|(of, rate, p50_us, p99_us, errors)| {
            let of = (*of).to_owned();
            (of, *rate, *p50_us, *p99_us, *errors)
        });
        let tenth = |value: f64| (value * 10.0).round() / 10.0;
        let seen = read(printed).into_iter().map(|report| {
            let Report {
                of,
                rate,
                p50_us,
                p99_us,
                errors,
            } = report;
            (of, tenth(rate), tenth(p50_us), tenth(p99_us), errors)
        });
        assert_eq!(seen.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
    }

    #[test]
    fn requests_that_failed_are_counted() {
        check(PUT_WITH_ERRORS, &[("", 3272.4, 1021.0, 3896.0, 1116)]);
    }

    #[test]
    fn reads_and_writes_of_transactions_have_a_report_each() {
        let reads = ("Details", 2119.3, 1089.5, 7575.8, 0);
        check(TXN_MIXED, &[reads, ("Details", 2124.8, 1438.9, 8185.1, 0)]);
    }

    #[test]
    fn a_watch_has_a_report_of_its_creation_and_one_of_its_events() {
        let created = ("Watch creation summary", 5540.2, 1007.8, 0.0, 0);
        let heard = ("Watch events received summary", 35151.8, 0.0, 0.1, 0);
        check(WATCH, &[created, heard]);
    }

    #[test]
    fn an_event_that_came_before_its_puts_answer_took_no_time() {
        let put = ("Put summary", 1476.8, 545.8, 3774.9, 0);
        let heard = ("Watch events summary", 11776.3, 42.2, 920.3, 0);
        check(WATCH_LATENCY, &[put, heard]);
    }

    #[test]
    fn what_is_no_report_is_none() {
        check("dial error: context deadline exceeded\n", &[]);
        check(
            "Summary:\n  [many]\tx\n  99% in\n",
            &[("", 0.0, 0.0, 0.0, 0)],
        );
    }
}
