//! The control plane fails; the data do not notice.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::promise::{Cluster, OPERATOR_NAMESPACE, Place, Writer};
use e2e::testbed::Testbed;
use e2e::wait;

use super::fault_turn;

/// How long the API server is away.
const OUTAGE: Duration = Duration::from_secs(60);
/// The longest pause of a writer while only the control plane is away.
const GAP_MS_MAX: u64 = 5_000;
/// How long another operator may take to hold the Lease after its holder died.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn api_server_and_operator_fail_and_no_data_notice() -> Result<()> {
    let Some((_turn, place, bed)) = fault_turn().await? else {
        return Ok(());
    };
    let cluster = Cluster::in_namespace(&place, "e2e-control")?;
    cluster.apply(3)?;
    cluster.until_ready(3).await?;
    let writer = Writer::start(&cluster).await?;

    let before = restarts(&place)?;
    the_api_server_is_away(&place, &cluster, &bed).await?;
    cluster.kubectl(&["scale", "clusters.kluster.dev/data", "--replicas=5"])?;
    cluster
        .until("the scale began", |resource| {
            let operation = resource.pointer("/status/operation/type");
            operation.is_some_and(|operation| operation == "ScaleUp")
        })
        .await?;
    let after = restarts(&place)?;
    ensure!(
        after == before,
        "an operator was restarted:\n{before}\n{after}"
    );
    kill_leading_operator(&place).await?;
    cluster.until_ready(5).await?;

    let report = writer.finish(5).await?;
    ensure!(
        report.gap_ms_max < GAP_MS_MAX,
        "the writer paused too long: {report:?}"
    );
    cluster.clear()
}

/// Every node goes on answering, asked directly: nothing about names or Services can be asked meanwhile.
async fn the_api_server_is_away(place: &Place, cluster: &Cluster, bed: &Testbed) -> Result<()> {
    let addresses = cluster.of_pods(".status.podIP")?;
    let mut nodes = addresses.iter().cycle();
    bed.stop_api_server()?;
    let start = Instant::now();
    wait::until("the API server was away", OUTAGE * 2, async || {
        let address = nodes.next().context("a node")?;
        let node = format!("http://{address}:8080");
        let put = ["put", "--http", &node, "outage", "goes on"];
        place.commands.ask("klusterctl", &put)?;
        Ok(start.elapsed() > OUTAGE)
    })
    .await?;
    bed.start_api_server()
}

/// Kills the operator that holds the Lease and waits until another does.
pub async fn kill_leading_operator(place: &Place) -> Result<()> {
    let leading = holder(place)?;
    let delete = ["delete", "pod", &leading, "--wait=false"];
    let at_once = ["--grace-period=0", "--force"];
    ask(place, &[&delete[..], &at_once].concat())?;
    wait::until("another operator leads", TAKEN_OVER_WITHIN, async || {
        let now = holder(place)?;
        Ok(!now.is_empty() && now != leading)
    })
    .await
}

/// The operator's pods and how often each was restarted.
fn restarts(place: &Place) -> Result<String> {
    let each = "{.metadata.name} {.status.containerStatuses[0].restartCount}";
    let columns = format!("jsonpath={{range .items[*]}}{each}{{\"\\n\"}}{{end}}");
    ask(place, &["get", "pods", "-o", &columns])
}

/// The operator's pod that leads.
fn holder(place: &Place) -> Result<String> {
    let column = "jsonpath={.items[0].spec.holderIdentity}";
    ask(place, &["get", "leases", "-o", column])
}

fn ask(place: &Place, arguments: &[&str]) -> Result<String> {
    let all = [&["--namespace", OPERATOR_NAMESPACE][..], arguments].concat();
    place.commands.ask("kubectl", &all)
}
