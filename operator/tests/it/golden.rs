//! `testdata/<case>/{cluster,observed}.yaml → {plan,resources}.yaml`; `UPDATE_GOLDEN=1` writes the right side anew.
//!
//! Two words in `observed.yaml` stand for what only the plan itself can name: `restartHash: current` is the hash of
//! the wanted pod template, `operationId: asked` what the plan asks the leader to confirm.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crds::{Cluster, labels};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::events::Event;
use operator::observe::Observed;
use operator::plan::{Plan, plan};
use operator::report::{self, Shortfall, complete};
use operator::resource::Kind;
use operator::validate::{Subject, validate};
use serde_json::{Value, json};

#[test]
fn plans_are_as_written_down() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut cases: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() >= 102, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let (subject, observed, plan) = run(&case);
        for (file, text) in [
            ("plan.yaml", told(&subject, &observed, &plan)),
            ("resources.yaml", resources(&plan)),
        ] {
            let path = case.join(file);
            if update {
                fs::write(&path, &text).unwrap();
            } else if fs::read_to_string(&path).unwrap_or_default() != text {
                wrong.push(format!(
                    "{}:\n{text}",
                    path.strip_prefix(&folder).unwrap().display()
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "differs from what is written down (UPDATE_GOLDEN=1 rewrites):\n{}",
        wrong.join("\n")
    );
}

fn run(case: &Path) -> (Subject, Observed, Plan) {
    let read = |file: &str| {
        fs::read_to_string(case.join(file))
            .unwrap_or_else(|error| panic!("{case:?}/{file}: {error}"))
    };
    let cluster: Cluster = serde_yaml_ng::from_str(&read("cluster.yaml")).unwrap();
    let observed = read("observed.yaml");
    let (subject, validated) = (Subject::of(&cluster), validate(&cluster));
    let parse = |text: &str| -> Observed {
        serde_yaml_ng::from_str(text)
            .unwrap_or_else(|error| panic!("{case:?}/observed.yaml: {error}"))
    };
    let mut text = observed;
    let first = plan(&subject, &validated, &parse(&text));
    if let Some(hash) = first_annotation(&first) {
        text = text.replace("restartHash: current", &format!("restartHash: {hash}"));
    }
    // What is asked rests on which pods are current.
    let first = plan(&subject, &validated, &parse(&text));
    if let Some(asked) = asked(&first) {
        text = text.replace("operationId: asked", &format!("operationId: {asked}"));
    }
    let observed = parse(&text);
    let plan = plan(&subject, &validated, &observed);
    (subject, observed, plan)
}

/// Restart hash of the first StatefulSet (cases with several zones have templates that differ).
fn first_annotation(plan: &Plan) -> Option<String> {
    let set = plan
        .resources
        .iter()
        .find(|wanted| wanted.kind == Kind::StatefulSet)?;
    let annotations = set.object.pointer("/spec/template/metadata/annotations")?;
    Some(annotations.get(labels::RESTART_HASH)?.as_str()?.to_owned())
}

fn asked(plan: &Plan) -> Option<String> {
    plan.resources
        .iter()
        .filter(|wanted| wanted.kind == Kind::ClusterNode)
        .find_map(|wanted| {
            wanted
                .object
                .pointer("/spec/operationId")?
                .as_str()
                .map(str::to_owned)
        })
}

/// The status that would be written, at a time that stands still, and the Events beside it.
fn reported(subject: &Subject, observed: &Observed, plan: &Plan) -> (Option<String>, Vec<String>) {
    let Some(status) = plan.status.clone() else {
        return (None, Vec::new());
    };
    let (told, done) = (plan.conditions.clone(), Shortfall::default());
    let status = complete(status, told, &done, subject, Timestamp::UNIX_EPOCH);
    let events = report::events(subject, &observed.pods, plan.step.as_ref(), &status);
    let event = |event: Event| {
        let about = event
            .secondary
            .and_then(|pod| Some(format!("{}/{}", pod.kind?, pod.name?)));
        format!(
            "{:?} {} {}: {}",
            event.type_,
            event.reason,
            about.as_deref().unwrap_or("-"),
            event.note.unwrap_or_default()
        )
    };
    (status.reason, events.into_iter().map(event).collect())
}

fn told(subject: &Subject, observed: &Observed, plan: &Plan) -> String {
    let (reason, events) = reported(subject, observed, plan);
    let Plan {
        resources,
        create_key,
        grow,
        sweep,
        step,
        wait,
        conditions,
        status,
    } = plan;
    let conditions: BTreeMap<String, String> = conditions
        .iter()
        .map(|told| {
            let holds = match told.holds {
                Some(true) => "True",
                Some(false) => "False",
                None => "Unknown",
            };
            (
                told.type_.to_string(),
                format!("{holds} {}: {}", told.reason, told.message),
            )
        })
        .collect();
    let told = json!({
        "step": step.as_ref().map(|step| format!("{step:?}")),
        "wait": wait.as_ref().map(|wait| format!("{}: {}", wait.reason, wait.message)),
        "createKey": create_key,
        "grow": grow.iter().map(|grow| format!("{} to {}", grow.claim, grow.size)).collect::<Vec<_>>(),
        "sweep": sweep.iter().map(|sweep| format!("{} {}", sweep.kind.name(), sweep.name)).collect::<Vec<_>>(),
        "wants": resources.iter().map(|wanted| format!("{} {}", wanted.kind.name(), wanted.name)).collect::<Vec<_>>(),
        "conditions": conditions,
        "events": events,
        "reason": reason,
        "status": status,
    });
    serde_yaml_ng::to_string(&told).unwrap()
}

fn resources(plan: &Plan) -> String {
    let documents: Vec<String> = plan
        .resources
        .iter()
        .map(|wanted| serde_yaml_ng::to_string(&sorted(&wanted.object)).unwrap())
        .collect();
    documents.join("---\n")
}

/// Keys in order, whatever the features of the JSON library.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields
                .iter()
                .map(|(key, below)| (key.clone(), sorted(below)))
                .collect();
            fields.into_iter().collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        leaf => leaf.clone(),
    }
}
