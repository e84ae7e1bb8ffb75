//! The log gives nothing up that a power loss could take from the state.

use std::collections::BTreeMap;
use std::sync::Arc;

use node_engines::Engines;

use super::invariant::{Invariant, Sight, index};

/// How far each machine's log was seen to be given up, by the life of its node.
#[derive(Default)]
pub struct PurgesStayBehindWhatIsPersisted(BTreeMap<(usize, u64), u64>);

impl Invariant for PurgesStayBehindWhatIsPersisted {
    fn name(&self) -> &'static str {
        "purges stay behind what is persisted"
    }

    fn look(&mut self, sight: &Sight) -> Result<(), String> {
        for (n, status) in sight.news() {
            let purged = index(status.log.purged);
            let life = (n, sight.world.lives(n));
            if purged == 0 || self.0.insert(life, purged) == Some(purged) {
                continue;
            }
            let Some(durable) = sight.world.durable_state(n) else {
                continue;
            };
            let engines = Engines::open(Arc::new(durable)).map_err(|error| {
                format!("the state that n{n} has persisted does not open: {error}")
            })?;
            let persisted = engines.reader().applied().map_or(0, |a| a.last.index);
            if persisted < purged {
                return Err(format!(
                    "n{n} gave its log up to {purged}, and has its state persisted to {persisted}"
                ));
            }
        }
        Ok(())
    }
}
