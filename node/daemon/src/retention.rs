//! What history is given up by itself, in the words of etcd's flags.

use std::time::Duration;

use node_server::AutoCompaction;

/// The shortest period.
const PERIOD_MIN: Duration = Duration::from_secs(1);
/// The longest one, a year: the leader remembers a revision for each six minutes of it.
const PERIOD_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Reads `auto_compaction_mode` and `auto_compaction_retention`. No retention, or `0`, is no compaction; without a mode it is a
/// period.
pub fn read(mode: Option<&str>, retention: Option<&str>) -> Result<Option<AutoCompaction>, String> {
    let retention = retention.unwrap_or("0");
    let wrong = |why: &str| format!("kv.auto_compaction_retention: {retention:?} {why}");
    match mode.unwrap_or("periodic") {
        "revision" => {
            let kept = retention.parse::<u64>();
            let kept = kept.map_err(|_| wrong("is no number of revisions, such as 1000"))?;
            Ok((kept > 0).then_some(AutoCompaction::Revisions(kept)))
        }
        "periodic" => {
            let usable = PERIOD_MIN..=PERIOD_MAX;
            match period(retention) {
                Some(Duration::ZERO) => Ok(None),
                Some(period) if usable.contains(&period) => {
                    Ok(Some(AutoCompaction::Periodic(period)))
                }
                Some(_) => Err(wrong("must be a second to a year")),
                None => Err(wrong(
                    "is no time, such as 1h or 30m, nor a number of hours",
                )),
            }
        }
        other => Err(format!(
            "kv.auto_compaction_mode: {other:?} is neither periodic nor revision"
        )),
    }
}

/// A time such as `1h30m`, of whole hours, minutes, seconds and milliseconds; a number alone is of hours.
fn period(text: &str) -> Option<Duration> {
    if let Ok(hours) = text.parse::<u64>() {
        return Some(Duration::from_secs(hours.checked_mul(60 * 60)?));
    }
    let mut rest = text;
    let mut period = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = rest.split_at_checked(digits)?;
        let after = unit
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(unit.len());
        let (unit, after) = unit.split_at_checked(after)?;
        let number = number.parse::<u64>().ok()?;
        let millis = match unit {
            "h" => 60 * 60 * 1000,
            "m" => 60 * 1000,
            "s" => 1000,
            "ms" => 1,
            _ => return None,
        };
        let part = Duration::from_millis(number.checked_mul(millis)?);
        period = period.checked_add(part)?;
        rest = after;
    }
    (!text.is_empty()).then_some(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn periodic(seconds: u64) -> Result<Option<AutoCompaction>, String> {
        let period = Duration::from_secs(seconds);
        Ok(Some(AutoCompaction::Periodic(period)))
    }

    #[test]
    fn the_words_mean_what_they_mean_to_etcd() {
        assert_eq!(read(None, None), Ok(None));
        assert_eq!(read(Some("revision"), None), Ok(None));
        assert_eq!(read(Some("periodic"), Some("0")), Ok(None));
        assert_eq!(read(None, Some("1")), periodic(3600));
        assert_eq!(read(Some("periodic"), Some("1h30m5s")), periodic(5405));
        assert_eq!(read(Some("periodic"), Some("1500ms")), {
            let period = Duration::from_millis(1500);
            Ok(Some(AutoCompaction::Periodic(period)))
        });
        let kept = Ok(Some(AutoCompaction::Revisions(1000)));
        assert_eq!(read(Some("revision"), Some("1000")), kept);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (mode, retention, named) in [
            ("hourly", "1", "auto_compaction_mode"),
            ("revision", "1h", "auto_compaction_retention"),
            ("revision", "-1", "auto_compaction_retention"),
            ("periodic", "", "auto_compaction_retention"),
            ("periodic", "h", "auto_compaction_retention"),
            ("periodic", "1x", "auto_compaction_retention"),
            ("periodic", "1h3", "auto_compaction_retention"),
            ("periodic", "999ms", "a second to a year"),
            ("periodic", "8761", "a second to a year"),
            (
                "periodic",
                "18446744073709551615",
                "auto_compaction_retention",
            ),
        ] {
            let error = read(Some(mode), Some(retention)).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
