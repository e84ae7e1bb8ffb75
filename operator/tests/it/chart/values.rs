//! `values.yaml`, `values.schema.json` and the table in the README hold the same values, with the same defaults.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::page::{code, read, rows};

/// The values that the schema knows, by path. A map of free texts is one value.
fn of_schema(schema: &Value, path: &str, into: &mut BTreeSet<String>) {
    match schema["properties"].as_object() {
        Some(properties) => {
            for (name, below) in properties.iter().filter(|(name, _)| *name != "global") {
                of_schema(below, &format!("{path}.{name}"), into);
            }
        }
        None => drop(into.insert(path.trim_start_matches('.').to_owned())),
    }
}

/// The defaults, by path.
fn of_values(
    values: &Value,
    path: &str,
    known: &BTreeSet<String>,
    into: &mut BTreeMap<String, Value>,
) {
    let here = path.trim_start_matches('.');
    match values.as_object().filter(|_| !known.contains(here)) {
        Some(below) => {
            for (name, value) in below {
                of_values(value, &format!("{path}.{name}"), known, into);
            }
        }
        None => drop(into.insert(here.to_owned(), values.clone())),
    }
}

#[test]
fn the_readme_explains_every_value_and_its_default() {
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let values: Value = serde_yaml_ng::from_str(&read("values.yaml")).unwrap();
    let (mut known, mut defaults) = (BTreeSet::new(), BTreeMap::new());
    of_schema(&schema, "", &mut known);
    of_values(&values, "", &known, &mut defaults);
    let given: BTreeSet<String> = defaults.keys().cloned().collect();
    assert_eq!(
        given, known,
        "values.yaml (left), values.schema.json (right)"
    );

    let rows = rows(&read("README.md"), "Values");
    let explained: BTreeSet<String> = rows.iter().map(|row| code(&row[0]).to_owned()).collect();
    assert_eq!(explained.len(), rows.len(), "each value once");
    assert_eq!(
        explained, known,
        "README.md (left), values.schema.json (right)"
    );
    for row in &rows {
        let said: Value = serde_yaml_ng::from_str(code(&row[1])).unwrap();
        assert_eq!(said, defaults[code(&row[0])], "the default of {}", row[0]);
        assert!(row.len() == 3 && !row[2].is_empty(), "{row:?}");
    }
}

#[test]
fn everything_the_operator_reads_from_its_environment_is_given() {
    let source = include_str!("../../../src/config.rs");
    let code = source.split("#[cfg(test)]").next().unwrap();
    let is_name = |text: &&str| {
        let in_names = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        !text.is_empty() && text.bytes().all(in_names)
    };
    let texts = code.split('"').skip(1).step_by(2);
    let names: BTreeSet<&str> = texts.filter(is_name).collect();
    assert!(names.len() >= 10, "{names:?}");
    let deployment = read("templates/deployment.yaml");
    for name in names {
        assert!(
            deployment.contains(&format!("- name: {name}\n")),
            "the Deployment does not set {name}"
        );
    }
}
