//! Secrets that the spec names. Nobody but their owner makes them, and a pod waits for them.

use super::outcome::Wait;
use super::reason::Reason;
use super::view::View;
use crate::validate::Validated;

/// Which of them do not exist; nothing when all do.
pub fn missing(validated: &Validated, view: &View) -> Option<Wait> {
    let absent = |name: &str| view.absent_secrets.iter().any(|absent| absent == name);
    let missing: Vec<String> = validated
        .kv
        .secrets()
        .filter(|(_, name)| absent(name))
        .map(|(field, name)| format!("{field}: there is no Secret {name}"))
        .collect();
    let message = || {
        format!(
            "{}; no pod is replaced, and one that starts waits for it",
            missing.join("; ")
        )
    };
    (!missing.is_empty()).then(|| Wait::for_(Reason::SecretMissing, message()))
}
