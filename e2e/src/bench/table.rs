//! Ours beside etcd's: as lines `name value unit`, and as a table to read.

use super::figures::print;
use super::pair::SIDES;
use super::turns::{Load, Title, median};

/// Prints the figures to standard output, each name with `prefix` before it, and the table to standard error.
pub fn show(prefix: &str, rows: &[(Title, [Load; 2])]) {
    let loads = rows.iter().flat_map(|(_, loads)| loads);
    let fsync_us = median(loads.map(|load| load.fsync_us).collect());
    print(&format!("{prefix}fsync_p50_us"), fsync_us, "us");
    for (title, loads) in rows {
        for (side, load) in SIDES.iter().zip(loads) {
            let (asked, clients) = (title.asked(), title.clients);
            let figure = |what: &str, value: f64, unit: &str| {
                // What nobody looked at is no figure.
                if !value.is_nan() {
                    print(
                        &format!("{prefix}{side}_{asked}_{what}_{clients}"),
                        value,
                        unit,
                    );
                }
            };
            figure("rate", load.rate, title.unit);
            figure("p50_us", load.p50_us, "us");
            figure("p99_us", load.p99_us, "us");
            figure("server_cpu_us", load.cpu_us, "us");
            if load.errors > 0.0 {
                figure("errors", load.errors, "requests");
            }
        }
    }
    eprint!("{}", text(rows));
}

/// The table. What nobody looked at is a dash.
fn text(rows: &[(Title, [Load; 2])]) -> String {
    let line = |cells: [&str; 9]| {
        let [
            what,
            clients,
            ours,
            theirs,
            ratio,
            p99,
            their_p99,
            cpu,
            their_cpu,
        ] = cells;
        format!(
            "{what:24} {clients:>7} {ours:>10} {theirs:>10} {ratio:>6} {p99:>10} {their_p99:>10} {cpu:>10} {their_cpu:>10}\n"
        )
    };
    let mut text = line([
        "",
        "",
        "a second",
        "",
        "",
        "p99 us",
        "",
        "CPU us",
        "of servers",
    ]);
    text += &line([
        "", "clients", "kluster", "etcd", "ratio", "kluster", "etcd", "kluster", "etcd",
    ]);
    for (title, [ours, theirs]) in rows {
        let whole = |value: f64| cell(value, 0);
        text += &line([
            &title.asked(),
            &title.clients.to_string(),
            &whole(ours.rate),
            &whole(theirs.rate),
            &cell(ours.rate / theirs.rate, 2),
            &whole(ours.p99_us),
            &whole(theirs.p99_us),
            &whole(ours.cpu_us),
            &whole(theirs.cpu_us),
        ]);
    }
    text
}

fn cell(value: f64, decimals: usize) -> String {
    match value.is_nan() {
        true => "-".to_owned(),
        false => format!("{value:.decimals$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::bench::turns::{Load, Title};

    #[test]
    fn a_row_has_both_and_dashes_for_what_nobody_looked_at() {
        let load = |rate, p99_us| Load {
            rate,
            p50_us: 1.0,
            p99_us,
            cpu_us: 12.4,
            fsync_us: 157.0,
            errors: 0.0,
        };
        let title = Title {
            what: "put",
            clients: 64,
            offered: Some(500),
            unit: "requests/s",
        };
        let text = text(&[(title, [load(3000.0, f64::NAN), load(2000.0, 9.6)])]);
        let row: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
        let wanted = [
            "put_at_500",
            "64",
            "3000",
            "2000",
            "1.50",
            "-",
            "10",
            "12",
            "12",
        ];
        assert_eq!(row, wanted);
    }
}
