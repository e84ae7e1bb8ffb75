//! Five real processes on a real disk: killed, stopped, told to stop, cut off from their peers, their clocks set, while clients write and
//! read; then what the clients saw is judged, as in the simulator.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use node_api::{Consistency, Data, DataError, WriteOptions};
use node_engines::kv::Revision;
use node_sim::clients::{Action, Answer, History, check_linearizable, check_order};
use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cluster::Cluster;
use crate::deadline::{check, eventually};
use crate::proxy::{Behind, Proxies};

/// How long things go wrong; the variable `CHAOS_SECONDS` says otherwise, as `CHAOS_SEED` does of what is drawn.
const SECONDS: u64 = 40;
const NODES: usize = 5;
/// A majority goes on whatever happens.
const TROUBLED_MAX: usize = 2;
const CLIENTS: u64 = 8;
/// Keys in use at a time. New ones come into use again and again: a history of one key that is too long is hard to judge.
const KEYS: u64 = 6;
const KEYS_LAST: Duration = Duration::from_secs(10);
/// Longer than any node is troubled: an answer that a stopped node gives on waking is heard.
const PATIENCE: Duration = Duration::from_secs(8);
const TROUBLE_MS_MAX: u64 = 3_000;

/// What is wrong with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    /// SIGKILL.
    Killed,
    /// SIGSTOP: it knows nothing of it when it goes on.
    Stopped,
    /// SIGTERM.
    ToldToStop,
    /// Nobody reaches it; it reaches the others.
    Unreached,
    /// Nobody reaches it, and it reaches nobody.
    CutOff,
    /// Its clock is set, and set right again.
    ClockSet,
}

const TROUBLES: [Trouble; 6] = [
    Trouble::Killed,
    Trouble::Stopped,
    Trouble::ToldToStop,
    Trouble::Unreached,
    Trouble::CutOff,
    Trouble::ClockSet,
];
/// By so many seconds clocks are wrong: longer than requests and tokens are good for, and a little.
const CLOCK_STEPS: [i64; 4] = [-7_200, -2, 2, 200_000];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_clients_saw_has_an_order_whatever_happens_to_processes() {
    let given = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seconds = given("CHAOS_SECONDS").unwrap_or(SECONDS);
    let seed = given("CHAOS_SEED").unwrap_or(u64::from(now.subsec_nanos()));
    println!("chaos of seed {seed} for {seconds} s");
    let mut random = SmallRng::seed_from_u64(seed);
    let (mut cluster, proxies) = behind_proxies().await;

    let (history, values, stop) = (
        History::default(),
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let client = Client {
            nodes: cluster
                .nodes
                .iter()
                .map(|node| node.data().with_timeout(PATIENCE))
                .collect(),
            history: history.clone(),
            values: values.clone(),
            began: Instant::now(),
            random: SmallRng::seed_from_u64(random.next_u64()),
        };
        clients.push(tokio::spawn(client.work(stop.clone())));
    }

    let (began, mut troubled, mut counts) =
        (Instant::now(), BTreeMap::new(), BTreeMap::<_, u64>::new());
    while began.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(Duration::from_millis(random.random_range(50..800))).await;
        let over: Vec<usize> = troubled
            .iter()
            .filter(|(_, (_, until))| Instant::now() >= *until)
            .map(|(node, _)| *node)
            .collect();
        for node in over {
            let (trouble, _) = troubled.remove(&node).unwrap();
            end(&mut cluster, &proxies, node, trouble);
        }
        // Every other time the one that leads, if anybody can be asked.
        let mut victim = random.random_range(0..NODES);
        if random.random_range(0..2) == 0 {
            for node in (0..NODES).filter(|node| !troubled.contains_key(node)) {
                let status = cluster.try_status(node).await;
                if status.is_ok_and(|status| status.role() == node_api::proto::Role::Leader) {
                    victim = node;
                }
            }
        }
        if troubled.len() < TROUBLED_MAX && !troubled.contains_key(&victim) {
            let trouble = TROUBLES[random.random_range(0..TROUBLES.len())];
            let step = CLOCK_STEPS[random.random_range(0..CLOCK_STEPS.len())];
            begin(&mut cluster, &proxies, victim, trouble, step);
            let lasts = Duration::from_millis(random.random_range(100..TROUBLE_MS_MAX));
            troubled.insert(victim, (trouble, Instant::now() + lasts));
            *counts.entry(trouble).or_default() += 1;
        }
    }
    for (node, (trouble, _)) in troubled {
        end(&mut cluster, &proxies, node, trouble);
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }

    for node in 0..NODES {
        cluster.until_ready(node).await;
    }
    cluster.until_digests_agree(&[0, 1, 2, 3, 4]).await;
    // What the last trouble lost would show in nothing that was read before its end.
    let keys: BTreeSet<u64> = history.operations().iter().map(|one| one.key).collect();
    let mut last = cluster.nodes[0].data();
    for key in keys {
        let number = history.begin(key, Action::Get, false);
        let answer = ask(&mut last, key, Action::Get).await;
        history.end(number, history.moment(), answer);
    }
    let operations = history.operations();
    let known = operations.iter().filter(|operation| {
        matches!(
            operation.answer,
            Some(Answer::Wrote { .. } | Answer::Read(_))
        )
    });
    let known = known.count();
    println!(
        "{counts:?}; {} operations, {known} with a known outcome",
        operations.len()
    );
    assert!(
        known as u64 > seconds * 20,
        "only {known} operations were answered"
    );
    let cut_off = counts.get(&Trouble::CutOff).copied().unwrap_or_default();
    assert!(
        proxies.kept_in() >= cut_off,
        "who is cut off reaches nobody: {} of {cut_off}",
        proxies.kept_in()
    );
    if let Err(broken) = check_linearizable(&operations) {
        panic!("seed {seed}: {broken}");
    }
    if let Err(broken) = check_order(&operations) {
        panic!("seed {seed}: {broken}");
    }
}

/// A cluster whose nodes reach each other through proxies alone.
async fn behind_proxies() -> (Cluster, Proxies) {
    let mut cluster = Cluster::start(0);
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        let number = cluster.add_stopped();
        let node = &mut cluster.nodes[number];
        let proxy = node.behind_a_proxy();
        node.with_a_clock();
        node.start();
        let port = node.bound.peers.rsplit_once(':').unwrap().1;
        nodes.push(Behind {
            proxy: format!("{proxy}:{port}"),
            node: node.bound.peers.clone(),
            config: node.config_file(),
        });
    }
    let proxies = Proxies::start(nodes).await;
    (cluster.formed().await, proxies)
}

fn begin(cluster: &mut Cluster, proxies: &Proxies, node: usize, trouble: Trouble, step: i64) {
    assert!(
        cluster.nodes[node].is_running(),
        "node {node} ended by itself"
    );
    match trouble {
        Trouble::Killed => cluster.nodes[node].kill(),
        Trouble::Stopped => cluster.nodes[node].stand_still(),
        Trouble::ToldToStop => cluster.nodes[node].tell_to_stop(),
        Trouble::Unreached => proxies.cut_way_to(node),
        Trouble::CutOff => proxies.cut_off(node),
        Trouble::ClockSet => cluster.nodes[node].set_clock(step),
    }
}

fn end(cluster: &mut Cluster, proxies: &Proxies, node: usize, trouble: Trouble) {
    match trouble {
        Trouble::Killed => cluster.nodes[node].start(),
        Trouble::Stopped => cluster.nodes[node].go_on(),
        Trouble::ToldToStop => {
            assert!(
                cluster.nodes[node].wait().success(),
                "it stops in good order"
            );
            cluster.nodes[node].start();
        }
        Trouble::Unreached | Trouble::CutOff => proxies.mend(node),
        Trouble::ClockSet => cluster.nodes[node].set_clock(0),
    }
}

/// One client, which does one thing after the other.
struct Client {
    nodes: Vec<Data>,
    history: History,
    values: Arc<AtomicU64>,
    began: Instant,
    random: SmallRng,
}

impl Client {
    async fn work(mut self, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            let era = self.began.elapsed().as_secs() / KEYS_LAST.as_secs();
            let key = era * KEYS + self.random.random_range(0..KEYS);
            let action = match self.random.random_range(0..10) {
                0..=4 => Action::Put(self.values.fetch_add(1, Ordering::Relaxed)),
                5 => Action::Delete,
                _ => Action::Get,
            };
            let number = self.history.begin(key, action, false);
            let node = self.random.random_range(0..self.nodes.len());
            let answer = ask(&mut self.nodes[node], key, action).await;
            self.history.end(number, self.history.moment(), answer);
            let rest = Duration::from_millis(self.random.random_range(0..20));
            tokio::time::sleep(rest).await;
        }
    }
}

/// One operation through one node, sent once.
async fn ask(node: &mut Data, key: u64, action: Action) -> Answer {
    // To the judge they are alike.
    let consistency = match key.is_multiple_of(2) {
        true => Consistency::Lease,
        false => Consistency::Linearizable,
    };
    let (key, once) = (format!("chaos/{key}").into_bytes(), WriteOptions::default());
    let outcome = match action {
        Action::Put(value) => {
            let put = node.put(&key, Bytes::from(value.to_string()), &once).await;
            put.map(|put| Answer::Wrote {
                revision: Revision(put.revision),
                existed: None,
            })
        }
        Action::Delete => node.delete(&key, &once).await.map(|deleted| match deleted {
            Some(deleted) => Answer::Wrote {
                revision: Revision(deleted.revision),
                existed: Some(true),
            },
            None => Answer::Read(None),
        }),
        Action::Get => node.get(&key, &consistency).await.map(|found| {
            Answer::Read(found.map(|found| {
                let value = std::str::from_utf8(&found.value).unwrap().parse().unwrap();
                (value, Revision(found.revision))
            }))
        }),
    };
    match outcome {
        Ok(answer) => answer,
        Err(DataError::Unavailable { .. }) => Answer::Refused,
        Err(DataError::Unknown { .. }) => Answer::Unknown,
        Err(refused) => panic!("a good request was refused: {refused}"),
    }
}

/// Of a node whose clock is set the dates are wrong, and nothing else.
#[tokio::test]
async fn a_clock_that_is_set_shows_in_dates_alone() {
    let mut cluster = Cluster::start(0);
    let number = cluster.add_stopped();
    cluster.nodes[number].with_a_clock();
    cluster.nodes[number].start();
    let cluster = cluster.formed().await;
    let node = &cluster.nodes[number];
    let year = async || {
        let mut stream = TcpStream::connect(&node.bound.http).await.unwrap();
        let request = b"GET /readyz HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let date = answer.lines().find(|line| line.starts_with("date: "));
        let year = date.unwrap().split(' ').nth(4).unwrap();
        year.parse::<u64>().unwrap()
    };
    let before = year().await;
    // Hyper tells a date for a second.
    node.set_clock(3 * 366 * 86_400);
    let began = Instant::now();
    eventually("the date is another", async || {
        let now = year().await;
        check(now >= before + 3, || format!("{now}"))
    })
    .await;
    assert!(began.elapsed() < PATIENCE);
    let mut data = node.data();
    ask(&mut data, 0, Action::Put(1)).await;
    assert!(matches!(
        ask(&mut data, 0, Action::Get).await,
        Answer::Read(Some(_))
    ));
}
