//! Which leader followed which. What was passed on to the former one is given up soon after: a leader that stands still, or
//! was cut off, leaves it without an answer for as long as its stream is thought alive.

use std::time::Duration;

use tokio::time::Instant;

use crate::ids::MemberId;

/// The leader known last, and the one before it.
pub struct Succession {
    /// A leader that handed over may still answer what it was asked.
    grace: Duration,
    leader: Option<MemberId>,
    former: Option<(MemberId, Instant)>,
}

impl Succession {
    /// What was passed on to a leader is given up `grace` after another is known.
    pub fn new(grace: Duration) -> Succession {
        Succession {
            grace,
            leader: None,
            former: None,
        }
    }

    /// The former leader whose answers are given up now, where `leader` is the one that is known; told once.
    pub fn over(&mut self, leader: Option<MemberId>, now: Instant) -> Option<MemberId> {
        if let Some(leader) = leader
            && self.leader != Some(leader)
        {
            let former = self.leader.replace(leader);
            self.former = former.map(|former| (former, now + self.grace));
        }
        let (former, _) = self.former.take_if(|(_, due)| *due <= now)?;
        Some(former)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_former_leader_is_told_once_after_the_grace_and_never_while_it_leads() {
        let grace = Duration::from_millis(100);
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let [a, b] = [1, 2].map(|id| Some(MemberId(id)));
        let mut succession = Succession::new(grace);
        let mut look = |leader, ms| succession.over(leader, at(ms));
        assert_eq!(look(None, 0), None);
        assert_eq!(look(a, 1), None, "it followed nobody");
        assert_eq!(look(None, 500), None, "nobody has followed it yet");
        assert_eq!(look(b, 1000), None, "it may still answer");
        assert_eq!(look(None, 1099), None);
        assert_eq!(look(b, 1100), a);
        assert_eq!(look(b, 1300), None, "once");
        // One that leads again before its time is up is left alone; the other is not.
        assert_eq!(look(a, 2000), None);
        assert_eq!(look(b, 2050), None);
        assert_eq!(look(a, 2120), None);
        assert_eq!(look(a, 2220), b);
    }
}
