//! An ordinary client of etcd in Rust, which does what such clients do and says what it saw: a line for each check. It ends with
//! an error at the first that fails. The same lines are expected of every server.
//!
//! Where a check needs a node to be lost, it asks whoever started the program: with a line on standard output that begins with
//! an exclamation mark, which is answered by an empty line on standard input.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use etcd_client::{
    Client, CompactionOptions, Compare, CompareOp, ConnectOptions, DeleteOptions, Error, Event,
    GetOptions, KvClientPrefix, LeaseTimeToLiveOptions, LockOptions, ProclaimOptions, PutOptions,
    ResignOptions, SortOrder, SortTarget, Txn, TxnOp, TxnOpResponse, WatchOptions, WatchStream,
};
use tokio::time::timeout;

const CHECK_WITHIN: Duration = Duration::from_secs(40);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const ATTEMPTS_MAX: usize = 40;

#[tokio::main]
async fn main() -> Result<()> {
    let endpoints = std::env::args()
        .nth(1)
        .context("usage: client URL,URL,...")?;
    let endpoints: Vec<&str> = endpoints.split(',').collect();
    let options = ConnectOptions::new().with_require_leader(true);
    let client = Client::connect(&endpoints, Some(options)).await?;
    check("put and get", put_and_get(client.clone())).await?;
    check("ranges", ranges(client.clone())).await?;
    check("range stream", range_stream(client.clone())).await?;
    check("transactions", transactions(client.clone())).await?;
    check("errors", errors(client.clone())).await?;
    check("watch", watch(client.clone())).await?;
    check(
        "watch what is compacted",
        watch_compacted(client.clone(), endpoints[0]),
    )
    .await?;
    check("lease", lease(client.clone())).await?;
    check("lock", lock(client.clone())).await?;
    check("election", election(client.clone())).await?;
    check("namespace", namespace(client.clone())).await?;
    check("members and status", members(client.clone())).await?;
    check("work goes on while a node is lost", node_is_lost(client)).await
}

async fn check(name: &str, run: impl Future<Output = Result<String>>) -> Result<()> {
    let saw = timeout(CHECK_WITHIN, run).await;
    let saw = saw.with_context(|| format!("{name}: WRONG: it took too long"))?;
    let saw = saw.with_context(|| format!("{name}: WRONG"))?;
    println!("{name}: ok: {saw}");
    Ok(())
}

async fn put_and_get(mut client: Client) -> Result<String> {
    client.put("rust/k", "1", None).await?;
    let put = client
        .put("rust/k", "2", Some(PutOptions::new().with_prev_key()))
        .await?;
    let before = put
        .prev_key()
        .context("no value before")?
        .value_str()?
        .to_owned();
    let found = client.get("rust/k", None).await?;
    let kv = found.kvs().first().context("nothing is there")?;
    let saw = format!(
        "{} after {before}, version {}",
        kv.value_str()?,
        kv.version()
    );
    let revision = put.header().context("no header")?.revision();
    ensure!(
        kv.mod_revision() == revision,
        "changed at {}, put at {revision}",
        kv.mod_revision()
    );
    let gone = client
        .delete("rust/k", Some(DeleteOptions::new().with_prev_key()))
        .await?;
    let old = client
        .get("rust/k", Some(GetOptions::new().with_revision(revision)))
        .await?;
    let now = client.get("rust/k", None).await?;
    Ok(format!(
        "{saw}, deleted {}, once {}, now {}",
        gone.deleted(),
        old.count(),
        now.count()
    ))
}

async fn ranges(mut client: Client) -> Result<String> {
    for n in 0..10 {
        client
            .put(format!("rust/range/{n}"), (9 - n).to_string(), None)
            .await?;
    }
    let prefix = || GetOptions::new().with_prefix();
    let asked = [
        prefix().with_sort(SortTarget::Value, SortOrder::Ascend),
        prefix()
            .with_sort(SortTarget::Key, SortOrder::Descend)
            .with_limit(4),
        prefix().with_limit(3),
        prefix().with_keys_only(),
        prefix().with_count_only(),
    ];
    let mut saw = String::new();
    for options in asked {
        let found = client.get("rust/range/", Some(options)).await?;
        let values: Vec<&str> = found
            .kvs()
            .iter()
            .map(|kv| kv.value_str().unwrap_or("?"))
            .collect();
        saw += &format!(
            "[{}] of {}, more {}; ",
            values.join(" "),
            found.count(),
            found.more()
        );
    }
    serializable_reads_show(&mut client, "rust/range/", 10).await?;
    let gone = client
        .delete("rust/range/", Some(DeleteOptions::new().with_prefix()))
        .await?;
    Ok(format!("{saw}deleted {}", gone.deleted()))
}

/// A node may be behind, and a serializable read tells what it has: so it is asked again.
async fn serializable_reads_show(client: &mut Client, prefix: &str, wanted: i64) -> Result<()> {
    let options = GetOptions::new().with_prefix().with_serializable();
    let mut every = tokio::time::interval(Duration::from_millis(100));
    let mut count = 0;
    for _ in 0..ATTEMPTS_MAX {
        every.tick().await;
        count = client.get(prefix, Some(options.clone())).await?.count();
        if count == wanted {
            return Ok(());
        }
    }
    bail!("serializable reads show {count} of {wanted} keys")
}

async fn range_stream(mut client: Client) -> Result<String> {
    let value = "v".repeat(10_000);
    for n in 0..100 {
        client
            .put(format!("rust/stream/{n}"), value.as_str(), None)
            .await?;
    }
    let mut stream = client
        .kv_client()
        .get_stream("rust/stream/", Some(GetOptions::new().with_prefix()))
        .await?;
    let (mut keys, mut count) = (0, 0);
    while let Some(part) = stream.message().await? {
        keys += part.kvs().len();
        count = part.count();
    }
    Ok(format!("{keys} keys of {count}"))
}

async fn transactions(mut client: Client) -> Result<String> {
    let absent = || Compare::version("rust/txn/a", CompareOp::Equal, 0);
    let make = [
        TxnOp::put("rust/txn/a", "1", None),
        TxnOp::get("rust/txn/a", None),
    ];
    let made = client
        .txn(Txn::new().when([absent()]).and_then(make))
        .await?;
    let is_one = Compare::value("rust/txn/a", CompareOp::Equal, "1");
    let inner = Txn::new()
        .when([is_one])
        .and_then([TxnOp::put("rust/txn/b", "2", None)]);
    let nested = client.txn(Txn::new().and_then([TxnOp::txn(inner)])).await?;
    let inside = nested
        .op_responses()
        .into_iter()
        .any(|answer| match answer {
            TxnOpResponse::Txn(inner) => inner.succeeded(),
            _ => false,
        });
    let delete = TxnOp::delete("rust/txn/a", None);
    let refused = client
        .txn(
            Txn::new()
                .when([absent()])
                .and_then([delete])
                .or_else([TxnOp::get("rust/txn/b", None)]),
        )
        .await?;
    Ok(format!(
        "made {} with {} answers, inside {inside}, refused {} with {}",
        made.succeeded(),
        made.op_responses().len(),
        !refused.succeeded(),
        refused.op_responses().len()
    ))
}

async fn errors(mut client: Client) -> Result<String> {
    let leased = PutOptions::new().with_lease(4242);
    let future = GetOptions::new().with_revision(1_000_000_000);
    let all = [
        said(client.put("", "v", None).await)?,
        said(client.put("rust/k", "v", Some(leased)).await)?,
        said(client.get("rust/k", Some(future)).await)?,
        said(client.lease_revoke(4242).await)?,
        said(client.put("rust/k", "v".repeat(1_600_000), None).await)?,
    ];
    Ok(all.join("; "))
}

/// The code and the text of a refusal.
fn said<T>(answer: Result<T, Error>) -> Result<String> {
    match answer {
        Err(Error::GRpcStatus(status)) => Ok(format!("{:?} {}", status.code(), status.message())),
        Err(error) => Err(error.into()),
        Ok(_) => bail!("it was not refused"),
    }
}

async fn watch(mut client: Client) -> Result<String> {
    let options = WatchOptions::new().with_prefix().with_prev_key();
    let mut stream = client.watch("rust/watch/", Some(options)).await?;
    let created = stream.message().await?.context("the watch ended")?;
    client.put("rust/watch/a", "1", None).await?;
    client.put("rust/watch/a", "2", None).await?;
    client.delete("rust/watch/a", None).await?;
    let saw = shown(&events(&mut stream, 3).await?)?;
    stream.request_progress().await?;
    let progress = stream.message().await?.context("the watch ended")?;
    stream.cancel(created.watch_id()).await?;
    let cancelled = stream.message().await?.context("the watch ended")?;
    Ok(format!(
        "created {}, {saw}, {} events of progress, cancelled {}",
        created.created(),
        progress.events().len(),
        cancelled.canceled()
    ))
}

async fn watch_compacted(mut client: Client, endpoint: &str) -> Result<String> {
    let put = client.put("rust/old", "1", None).await?;
    let start = put.header().context("no header")?.revision();
    client.put("rust/old", "2", None).await?;
    let options = || WatchOptions::new().with_start_revision(start);
    let mut stream = client.watch("rust/old", Some(options())).await?;
    let saw = shown(&events(&mut stream, 2).await?)?;
    // At one member: another may know of the compaction a little later.
    let mut one = Client::connect([endpoint], None).await?;
    let physical = CompactionOptions::new().with_physical();
    one.compact(start + 1, Some(physical)).await?;
    let mut stream = one.watch("rust/old", Some(options())).await?;
    loop {
        let answer = stream
            .message()
            .await?
            .context("the watch ended without a word")?;
        if answer.canceled() {
            let compacted = answer.compact_revision() - start;
            return Ok(format!(
                "{saw}, compacted {compacted:+}: {}",
                answer.cancel_reason()
            ));
        }
        ensure!(answer.events().is_empty(), "an event of what is compacted");
    }
}

async fn events(stream: &mut WatchStream, count: usize) -> Result<Vec<Event>> {
    let mut all = Vec::new();
    while all.len() < count {
        let answer = stream.message().await?.context("the watch ended")?;
        ensure!(
            !answer.canceled(),
            "the watch was cancelled: {}",
            answer.cancel_reason()
        );
        all.extend_from_slice(answer.events());
    }
    ensure!(
        all.len() == count,
        "{} events instead of {count}",
        all.len()
    );
    Ok(all)
}

fn shown(events: &[Event]) -> Result<String> {
    let shown = events.iter().map(|event| {
        let kv = event.kv().context("an event without a key")?;
        let before = event.prev_kv().map_or(Ok(""), |kv| kv.value_str())?;
        Ok(format!(
            "{:?} {} was [{before}]",
            event.event_type(),
            kv.value_str()?
        ))
    });
    Ok(shown.collect::<Result<Vec<_>>>()?.join(", "))
}

async fn lease(mut client: Client) -> Result<String> {
    let id = client.lease_grant(2, None).await?.id();
    client
        .put("rust/leased", "v", Some(PutOptions::new().with_lease(id)))
        .await?;
    let (mut keeper, mut kept) = client.lease_keep_alive(id).await?;
    let mut every = tokio::time::interval(Duration::from_millis(500));
    // Longer than it would last by itself.
    for _ in 0..8 {
        every.tick().await;
        keeper.keep_alive().await?;
        let answer = kept.message().await?.context("it was no longer kept")?;
        ensure!(answer.ttl() > 0, "it ended");
    }
    let left = client
        .lease_time_to_live(id, Some(LeaseTimeToLiveOptions::new().with_keys()))
        .await?;
    let listed = client
        .leases()
        .await?
        .leases()
        .iter()
        .any(|lease| lease.id() == id);
    let (granted, keys) = (left.granted_ttl(), left.keys().len());
    client.lease_revoke(id).await?;
    let gone = client.get("rust/leased", None).await?.count();
    Ok(format!(
        "{granted} s granted, {keys} keys, listed {listed}, then {gone}"
    ))
}

async fn lock(mut client: Client) -> Result<String> {
    let mine = client.lease_grant(30, None).await?.id();
    let theirs = client.lease_grant(30, None).await?.id();
    let held = client
        .lock("rust/lock", Some(LockOptions::new().with_lease(mine)))
        .await?;
    let mut other = client.clone();
    let waiting = tokio::spawn(async move {
        other
            .lock("rust/lock", Some(LockOptions::new().with_lease(theirs)))
            .await
    });
    let beside = || GetOptions::new().with_prefix().with_count_only();
    // It waits as soon as its key is there.
    while client.get("rust/lock/", Some(beside())).await?.count() < 2 {}
    let early = waiting.is_finished();
    client.unlock(held.key()).await?;
    let theirs_now = waiting.await??;
    client.unlock(theirs_now.key()).await?;
    client.lease_revoke(mine).await?;
    client.lease_revoke(theirs).await?;
    Ok(format!("one after the other: {}", !early))
}

async fn election(mut client: Client) -> Result<String> {
    let lease = client.lease_grant(30, None).await?.id();
    let none = said(client.leader("rust/seat").await)?;
    let seat = client.campaign("rust/seat", "one", lease).await?;
    let seat = seat.leader().context("no seat")?.clone();
    // etcd says nothing at all before somebody leads, and the client would wait for that.
    let mut observed = client.observe("rust/seat").await?;
    let mut saw = String::new();
    for value in ["one", "still one"] {
        if value != "one" {
            let options = ProclaimOptions::new().with_leader(seat.clone());
            client.proclaim(value, Some(options)).await?;
        }
        let answer = observed.message().await?.context("nothing was observed")?;
        saw += answer.kv().context("no leader")?.value_str()?;
        saw += ", ";
    }
    client
        .resign(Some(ResignOptions::new().with_leader(seat)))
        .await?;
    client.lease_revoke(lease).await?;
    Ok(format!(
        "{saw}at first: {none}, at last: {}",
        said(client.leader("rust/seat").await)?
    ))
}

async fn namespace(mut client: Client) -> Result<String> {
    let mut inside = KvClientPrefix::new(client.kv_client(), "rust/inside/".into());
    inside.put("k", "v", None).await?;
    let found = inside.get("k", None).await?;
    let key = found
        .kvs()
        .first()
        .context("nothing inside")?
        .key_str()?
        .to_owned();
    Ok(format!(
        "{key}, outside {}",
        client.get("rust/inside/k", None).await?.count()
    ))
}

async fn members(mut client: Client) -> Result<String> {
    let status = client.status().await?;
    let list = client.member_list().await?;
    let leads = list
        .members()
        .iter()
        .any(|member| member.id() == status.leader());
    ensure!(leads, "{} leads, who is no member", status.leader());
    client.defragment().await?;
    Ok(format!(
        "{} members, {}",
        list.members().len(),
        status.version()
    ))
}

/// The leader is lost and comes back while one counts; what one watches goes on where it ended.
async fn node_is_lost(mut client: Client) -> Result<String> {
    let start = client
        .get("rust/count", None)
        .await?
        .header()
        .context("no header")?
        .revision();
    let mut count = 0;
    for what in ["", "lose leader", "bring back"] {
        if !what.is_empty() {
            println!("!{what}");
            std::io::stdin().read_line(&mut String::new())?;
        }
        for _ in 0..20 {
            count_up(&mut client, count).await?;
            count += 1;
        }
    }
    let mut seen: Vec<Event> = Vec::new();
    while seen.len() < count as usize {
        let from = seen
            .last()
            .and_then(Event::kv)
            .map_or(start, |kv| kv.mod_revision())
            + 1;
        // A watch of this client ends with its connection, and is begun anew.
        let options = WatchOptions::new().with_start_revision(from);
        let Ok(Ok(mut stream)) =
            timeout(ANSWER_WITHIN, client.watch("rust/count", Some(options))).await
        else {
            continue;
        };
        while let Ok(Ok(Some(answer))) = timeout(ANSWER_WITHIN, stream.message()).await {
            seen.extend_from_slice(answer.events());
            if seen.len() >= count as usize {
                break;
            }
        }
    }
    let versions = seen.iter().filter_map(|event| Some(event.kv()?.version()));
    ensure!(
        versions.eq(1..=count),
        "not each of {count} events once and in order"
    );
    Ok(format!("{count} writes, each seen once and in order"))
}

/// A write that was not answered is tried again: if it was done, the compare fails, and that is an answer.
async fn count_up(client: &mut Client, version: i64) -> Result<()> {
    let unchanged = Compare::version("rust/count", CompareOp::Equal, version);
    let txn = Txn::new().when([unchanged]).and_then([TxnOp::put(
        "rust/count",
        version.to_string(),
        None,
    )]);
    let mut every = tokio::time::interval(Duration::from_millis(100));
    let mut last = String::new();
    for _ in 0..ATTEMPTS_MAX {
        every.tick().await;
        match timeout(ANSWER_WITHIN, client.txn(txn.clone())).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = "no answer".to_owned(),
        }
    }
    bail!("write {version}: {last}")
}
