//! What a node knows, for people and as JSON.

use anyhow::Result;
use node_api::AdminClient;
use node_api::proto::{NodeStatus, Role};
use serde_json::json;

use crate::output;

/// Prints the status of a node.
pub async fn status(node: &AdminClient, as_json: bool) -> Result<()> {
    let status = node.status().await?;
    if as_json {
        output::line(as_value(&status))?;
        Ok(())
    } else {
        print_status(&status)
    }
}

/// Prints the members, one a line.
pub async fn members(node: &AdminClient) -> Result<()> {
    let status = node.status().await?;
    output::line(format_args!(
        "{:<18}{:<9}{:<9}{:<9}{:<8}ADDRESS",
        "MEMBER", "VOTES", "LEADS", "REACHED", "EPOCH"
    ))?;
    for member in &status.members {
        output::line(format_args!(
            "{:<18}{:<9}{:<9}{:<9}{:<8}{}",
            format!("{:016x}", member.id),
            yes_no(member.voter),
            yes_no(status.leader_id == Some(member.id)),
            member.reached.map_or("-", yes_no),
            member.epoch,
            member.peer_address
        ))?;
    }
    Ok(())
}

fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn role(status: &NodeStatus) -> &'static str {
    match status.role() {
        Role::Unspecified => "unknown",
        Role::Waiting => "waiting",
        Role::Learner => "learner",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}

fn row(name: &str, value: String) -> Result<()> {
    output::line(format_args!("{name:<13}{value}"))?;
    Ok(())
}

fn print_status(status: &NodeStatus) -> Result<()> {
    row("member", format!("{:016x}", status.member_id))?;
    row(
        "cluster",
        if status.cluster_id.is_empty() {
            "none yet".to_owned()
        } else {
            hex::encode(&status.cluster_id)
        },
    )?;
    row("incarnation", status.incarnation.to_string())?;
    row("role", format!("{} in term {}", role(status), status.term))?;
    row(
        "leader",
        status
            .leader_id
            .map_or_else(|| "none known".to_owned(), |id| format!("{id:016x}"))
            + if status.leaderless {
                ", not heard of lately"
            } else {
                ""
            },
    )?;
    row(
        "ready",
        if status.ready {
            "yes".to_owned()
        } else {
            format!("no: {}", status.not_ready_reason)
        },
    )?;
    if status.fenced {
        row("fenced", "yes: it serves no client".to_owned())?;
    }
    if let Some(commits) = status.commits {
        row("commits", yes_no(commits).to_owned())?;
    }
    print_log(status)?;
    if let Some(disk) = &status.disk {
        row(
            "disk",
            format!(
                "{} MiB free of {} MiB{}",
                disk.available_bytes >> 20,
                disk.total_bytes >> 20,
                if status.disk_full {
                    ": writes are refused"
                } else {
                    ""
                }
            ),
        )?;
    }
    if let Some(fsync) = &status.fsync {
        row(
            "fsync",
            format!("p50 {} us, p99 {} us", fsync.p50_micros, fsync.p99_micros),
        )?;
    }
    row("version", status.version.clone())?;
    if !status.fatal.is_empty() {
        row("stopped", status.fatal.clone())?;
    }
    Ok(())
}

fn print_log(status: &NodeStatus) -> Result<()> {
    let index = |at: Option<u64>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let (applied, committed, last) = (
        status.applied_index,
        status.committed_index,
        status.last_log_index,
    );
    row(
        "position",
        format!(
            "{} (applied {}, committed {}, log {}.{})",
            status.position,
            index(applied),
            index(committed),
            index(status.last_log_term),
            index(last)
        ),
    )?;
    if let Some(digest) = &status.digest {
        row("digest", format!("{} at {}", digest.value, digest.index))?;
    }
    Ok(())
}

fn as_value(status: &NodeStatus) -> serde_json::Value {
    let member = |m: &node_api::proto::Member| {
        json!({"id": format!("{:016x}", m.id), "peerAddress": m.peer_address, "voter": m.voter, "epoch": m.epoch,
            "matched": m.matched, "caughtUp": m.caught_up, "reached": m.reached})
    };
    json!({
        "memberId": format!("{:016x}", status.member_id),
        "clusterId": hex::encode(&status.cluster_id),
        "incarnation": status.incarnation,
        "role": role(status),
        "term": status.term,
        "leaderless": status.leaderless,
        "leaderId": status.leader_id.map(|id| format!("{id:016x}")),
        "ready": status.ready,
        "notReadyReason": status.not_ready_reason,
        "fenced": status.fenced,
        "commits": status.commits,
        "diskFull": status.disk_full,
        "open": status.open,
        "position": status.position,
        "appliedIndex": status.applied_index,
        "committedIndex": status.committed_index,
        "lastLogIndex": status.last_log_index,
        "lastLogTerm": status.last_log_term,
        "digest": status.digest.as_ref().map(|d| json!({"index": d.index, "value": d.value})),
        "members": status.members.iter().map(member).collect::<Vec<_>>(),
        "fsyncMicros": status.fsync.as_ref().map(|f| json!({"p50": f.p50_micros, "p99": f.p99_micros})),
        "version": status.version,
        "fatal": status.fatal,
    })
}
