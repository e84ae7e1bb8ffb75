//! The whole of it: write, check, report.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::{check, writer};
use crate::arguments::Soak;
use crate::output;

/// What the writer saw and what the nodes had at the end.
#[derive(Debug, Serialize)]
struct Report {
    acknowledged: u64,
    unknown: u64,
    refused: u64,
    seconds: f64,
    gap_ms_max: u64,
    gap_ms_p99: u64,
    nodes: Vec<check::NodeReport>,
    digests_agree: bool,
}

/// Writes until told to stop, then checks every node. Exit status 1 when an acknowledged write is missing anywhere or
/// the digests differ.
///
/// # Errors
/// When the nodes cannot be found or read.
pub async fn run(soak: &Soak) -> Result<ExitCode> {
    let written = writer::write(soak).await?;
    output::aside(format_args!(
        "wrote {} in {:.0} s; checking every node",
        written.acknowledged.len(),
        written.seconds
    ));
    let (nodes, digests_agree) = check::every_node(soak, &written).await?;
    let report = Report {
        acknowledged: written.acknowledged.len() as u64,
        unknown: written.unknown,
        refused: written.refused,
        seconds: written.seconds,
        gap_ms_max: written.gap_ms_max(),
        gap_ms_p99: written.gap_ms_p99(),
        nodes,
        digests_agree,
    };
    if soak.json {
        output::line(serde_json::to_string(&report)?)?;
    } else {
        output::line(format_args!("{report:#?}"))?;
    }
    let whole = report.digests_agree && report.nodes.iter().all(|node| node.missing == 0);
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
