//! An upgrade of the operator restarts no node, and asks Kubernetes for no change that it would refuse:
//! `tests/releases/<version>/<case>.yaml` holds what the operator of that release rendered, and it is never written anew.
//! Whoever must change a pod template gives it a field of the spec.

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
    #[serde(flatten)]
    rendered: Rendered,
}

/// What was rendered for each StatefulSet, by its name; nothing in a case that has yet to be recorded.
#[derive(Serialize, Deserialize, Default, PartialEq, Debug)]
struct Rendered {
    /// Its pod template.
    #[serde(default)]
    templates: BTreeMap<String, Value>,
    /// The rest of its spec, most of which can never change.
    #[serde(default)]
    sets: BTreeMap<String, Value>,
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
            if case.rendered.templates.is_empty() || case.rendered.sets.is_empty() {
                case.rendered = rendered;
                fs::write(&path, serde_yaml_ng::to_string(&case).unwrap()).unwrap();
                panic!("{} was recorded: look at it, and commit it", path.display());
            }
            assert_eq!(
                case.rendered,
                rendered,
                "every node of such a Cluster would be restarted, or its StatefulSet refused: {}",
                path.display()
            );
            cases += 1;
        }
    }
    assert!(cases >= 3, "only {cases} cases");
}

fn render(cluster: &Cluster) -> Rendered {
    let plan = plan(
        &Subject::of(cluster),
        &validate(cluster),
        &Observed::default(),
    );
    let sets = plan
        .resources
        .into_iter()
        .filter(|wanted| wanted.kind == Kind::StatefulSet);
    let mut rendered = Rendered::default();
    for mut set in sets {
        let template = set.object["spec"]["template"].take();
        rendered.templates.insert(set.name.clone(), template);
        let mut spec = set.object["spec"].take();
        spec.as_object_mut().unwrap().remove("template");
        rendered.sets.insert(set.name, spec);
    }
    rendered
}
