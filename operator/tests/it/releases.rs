//! An upgrade of the operator restarts no node: `tests/releases/<version>/<case>.yaml` holds what the operator of that
//! release rendered, and it is never written anew. Whoever must change a pod template gives it a field of the spec.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crds::Cluster;
use operator::observe::Observed;
use operator::plan::plan;
use operator::resource::Kind;
use operator::validate::{Subject, validate};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Serialize, Deserialize)]
struct Case {
    cluster: Cluster,
    /// Pod template of each StatefulSet; nothing in a case that has yet to be recorded.
    #[serde(default)]
    templates: BTreeMap<String, Value>,
}

#[test]
fn an_upgrade_of_the_operator_restarts_no_node() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/releases");
    let mut cases = 0;
    for release in fs::read_dir(folder).unwrap() {
        for file in fs::read_dir(release.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let mut case: Case =
                serde_yaml_ng::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let rendered = render(&case.cluster);
            if case.templates.is_empty() {
                case.templates = rendered;
                fs::write(&path, serde_yaml_ng::to_string(&case).unwrap()).unwrap();
                panic!("{} was recorded: look at it, and commit it", path.display());
            }
            assert_eq!(
                case.templates,
                rendered,
                "every node of such a Cluster would be restarted: {}",
                path.display()
            );
            cases += 1;
        }
    }
    assert!(cases >= 3, "only {cases} cases");
}

fn render(cluster: &Cluster) -> BTreeMap<String, Value> {
    let plan = plan(
        &Subject::of(cluster),
        &validate(cluster),
        &Observed::default(),
    );
    let sets = plan
        .resources
        .into_iter()
        .filter(|wanted| wanted.kind == Kind::StatefulSet);
    sets.map(|set| (set.name, set.object["spec"]["template"].clone()))
        .collect()
}
