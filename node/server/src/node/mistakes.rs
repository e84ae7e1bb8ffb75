//! Commands that are not what was asked for: the mistakes ([`Flaw`]) of an engine, made before it, so that all nodes make the same.

use node_engines::Command;
use node_engines::kv::{self, End, Keys, Step, Target};
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
                if flaw == Flaw::CompareLate {
                    compare_late(branch);
                }
                branch.iter_mut().for_each(|step| bend(flaw, step));
            }
        }
        Step::Delete(keys) if flaw == Flaw::DeleteLeavesOne && keys.end != End::Same => {
            keys.from = [&keys.from, &b"\0"[..]].concat().into();
        }
        Step::Delete(_) | Step::Put(_) | Step::Range(..) => {}
    }
}

/// To compare a version with one that is a put older is to compare the one after the put.
fn compare_late(branch: &mut [Step]) {
    let Some((Step::Put(first), rest)) = branch.split_first_mut() else {
        return;
    };
    let of_first = Keys::one(first.key.clone());
    for step in rest {
        let Step::Txn(txn) = step else { continue };
        for compare in txn.compare.iter_mut().filter(|c| c.keys == of_first) {
            if let Target::Version(version) = &mut compare.target {
                *version -= 1;
            }
        }
    }
}
