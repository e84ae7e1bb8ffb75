//! The whole of it.

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use node_api::etcd::mvccpb::KeyValue;

use super::compare::{Compared, compare};
use super::leases::{self, Leases};
use super::target::Target;
use super::users::Plan;
use super::write::{REQUEST_BYTES_MAX, put_bytes, write};
use crate::arguments::KeyFile;
use crate::kv::action::Import;
use crate::kv::source::{From, Snapshot, Source};
use crate::output::{self, Progress};

/// What a key takes in the target's quota beside its bytes, and a lease as a whole.
const ROW_BYTES: u64 = 64;

/// Moves the keys here.
///
/// # Errors
/// With what stood in the way. What was written by then is right, and a run after this one goes on.
pub async fn run(import: Import, key: &KeyFile) -> Result<ExitCode> {
    let begun = Instant::now();
    let cluster_key = key.read()?;
    let access = import.to.access()?;
    let target = Target::reach(&access, &import.admin, cluster_key.trim_ascii()).await?;
    let from = From::of(&import.from_etcd)?;
    let of = |endpoints| import.from.access(endpoints);
    let snapshot = Snapshot::take(&from, of, &import.dir, import.skip_hash_check).await?;
    let source = Source::read(snapshot)?;
    tell_source(&source)?;

    let there = compare(&target.etcd, &source).await?;
    check(&there, &source, &target)?;
    let plan = Plan::of(&target.etcd, &source).await?;
    let floor = source.revision.saturating_add(import.bump_revision);
    target.advance(floor).await?;

    let leases_there = leases::list(&target.etcd).await?;
    let leases = Leases::new(&target.etcd, &source.leases, leases_there);
    let progress = Progress::new("keys are written", there.missing());
    write(&target.etcd, &source, &there.equal, &leases, &progress).await?;
    leases.grant_all().await?;
    plan.add(&target.etcd).await?;
    progress.end();
    output::line(format_args!(
        "written: {} keys with their leases, {} users, {} roles; {} keys were there",
        there.missing(),
        plan.users.len(),
        plan.roles.len(),
        there.equal.len()
    ))?;
    if plan.users_there > 0 {
        output::line(format_args!(
            "{} users were there: their passwords stay what they are",
            plan.users_there
        ))?;
    }

    let now = compare(&target.etcd, &source).await?;
    let ended = verify(&now, &source, &target).await?;
    // Who resumes a watch from the revision that the etcd would have had next is told to read anew too. So the history begins
    // with a revision of which there is nothing to tell.
    let end = now.modified.max(floor).saturating_add(1);
    let revision = target.advance(end).await?;
    output::line(format_args!(
        "read back and compared: {} keys and {} leases are there{}",
        now.equal.len(),
        source.leases.len() - ended.len(),
        match ended.len() {
            0 => String::new(),
            ended => format!(
                "; {ended} leases ended meanwhile, with {} keys",
                now.missing()
            ),
        }
    ))?;
    if plan.enable(&target.etcd).await? {
        output::line("users are asked who they are from now on")?;
    }
    output::line(format_args!(
        "done in {:.1} s: the etcd's last revision is {}, the target's {revision}",
        begun.elapsed().as_secs_f64(),
        source.revision
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn tell_source(source: &Source) -> Result<()> {
    output::line(format_args!(
        "the etcd has revision {}, {} keys, {} leases, {} users{}, {} roles",
        source.revision,
        source.keys.len(),
        source.leases.len(),
        source.users.len(),
        if source.asks_users {
            " who are asked"
        } else {
            ""
        },
        source.roles.len(),
    ))?;
    if source.keys_without_their_lease > 0 {
        output::line(format_args!(
            "{} keys name a lease that has ended: they come without one",
            source.keys_without_their_lease
        ))?;
    }
    if source.alarms > 0 {
        output::line(format_args!("its {} alarms stay behind", source.alarms))?;
    }
    Ok(())
}

/// Whether everything can be written, before anything is.
fn check(there: &Compared, source: &Source, target: &Target) -> Result<()> {
    let way_out = "nothing was written; move to a cluster without keys, or delete those";
    if there.foreign.count > 0 {
        bail!(
            "the target has {} that the etcd has not: {way_out}",
            there.foreign
        );
    }
    if there.differing.count > 0 {
        bail!(
            "the target has {} with other values or leases: {way_out}",
            there.differing
        );
    }
    let keys = source.keys.iter();
    let large = keys
        .clone()
        .filter(|(_, last)| last.bytes as usize > REQUEST_BYTES_MAX / 2);
    for (key, last) in large {
        let found: KeyValue = source.key_value(last)?;
        ensure!(
            put_bytes(&found) <= REQUEST_BYTES_MAX,
            "the key {:?} has {} bytes with its value, and a request may have {REQUEST_BYTES_MAX}: nothing was written; delete it at \
             the etcd, or make it smaller",
            String::from_utf8_lossy(key),
            last.bytes
        );
    }
    let lacking = keys.filter(|(key, _)| !there.equal.contains(*key));
    let bytes: u64 = lacking.map(|(_, last)| ROW_BYTES + last.bytes).sum();
    target.has_room(bytes + ROW_BYTES * source.leases.len() as u64)
}

/// Compares what is there now with what should be; gives the leases that ended meanwhile.
async fn verify(now: &Compared, source: &Source, target: &Target) -> Result<HashSet<i64>> {
    // Listed after the keys were read: a lease that is there by then had not taken its keys away.
    let there = leases::list(&target.etcd).await?;
    let ended = source.leases.keys().filter(|id| !there.contains(id));
    let ended: HashSet<i64> = ended.copied().collect();
    let wrong = [&now.foreign, &now.differing]
        .into_iter()
        .find(|keys| keys.count > 0);
    if let Some(keys) = wrong.or(now.lost(&ended)) {
        bail!(
            "the target differs in {keys} after all was written: somebody else writes there; have nobody do so, and run this again"
        );
    }
    Ok(ended)
}
