//! Commands that are not what was asked for: the mistakes ([`Flaw`]) of an engine, made before it, so that all nodes make the same.

use node_engines::Command;
use node_engines::kv::{self, End, Step};
use node_host::Flaw;

/// The commands that a node with a flaw carries out in place of these.
pub fn make(flaw: Flaw, mut commands: Vec<Command>) -> Vec<Command> {
    for command in &mut commands {
        if let Command::Kv(kv::Command::Step(step)) = command {
            bend(flaw, step);
        }
    }
    commands
}

fn bend(flaw: Flaw, step: &mut Step) {
    match step {
        Step::Txn(txn) => {
            if flaw == Flaw::CompareNothing {
                txn.compare.clear();
            }
            for branch in [&mut txn.success, &mut txn.failure] {
                branch.iter_mut().for_each(|step| bend(flaw, step));
            }
        }
        Step::Delete(keys) if flaw == Flaw::DeleteLeavesOne && keys.end != End::Same => {
            keys.from = [&keys.from, &b"\0"[..]].concat().into();
        }
        Step::Delete(_) | Step::Put(_) | Step::Range(..) => {}
    }
}
