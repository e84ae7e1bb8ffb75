//! The API server of the model: what is applied is there.

use crds::{ClusterNodeSpec, labels};
use operator::observe::{NodeSeen, ObjectSeen, OwnerSeen, SetSeen};
use operator::resource::{Kind, Resource};

use super::world::{BAD_IMAGE, CLUSTER, UID, World};

impl World {
    pub fn put(&mut self, wanted: &Resource) -> bool {
        let object = &wanted.object;
        match wanted.kind {
            Kind::ClusterNode => {
                let spec: ClusterNodeSpec = serde_json::from_value(object["spec"].clone()).unwrap();
                match self
                    .seen
                    .nodes
                    .iter_mut()
                    .find(|node| node.name == wanted.name)
                {
                    Some(node) => {
                        assert!(
                            spec.epoch >= node.spec.epoch,
                            "{}: an epoch falls",
                            self.seed
                        );
                        node.spec = spec;
                    }
                    None => self.seen.nodes.push(NodeSeen {
                        name: wanted.name.clone(),
                        owner: Some(UID.into()),
                        spec,
                        status: None,
                    }),
                }
            }
            Kind::StatefulSet => {
                self.put_set(&wanted.name, &object["spec"]);
            }
            Kind::PersistentVolumeClaim => {
                let claim = self
                    .seen
                    .claims
                    .iter_mut()
                    .find(|claim| claim.name == wanted.name)
                    .unwrap();
                let says = |key: &str| {
                    object["metadata"]["annotations"][key]
                        .as_str()
                        .map(str::to_owned)
                };
                claim.cluster_id = says(labels::CLUSTER_ID);
                claim.member_id = says(labels::MEMBER_ID);
                claim.epoch = says(labels::EPOCH).map(|epoch| epoch.parse().unwrap());
                claim.retired = says(labels::RETIRED).is_some();
                let differs = claim.hash.as_ref() != Some(&wanted.hash);
                claim.hash = Some(wanted.hash.clone());
                return differs;
            }
            _ => {}
        }
        self.put_object(wanted.kind, &wanted.name, wanted.hash.clone())
    }

    pub fn put_set(&mut self, name: &str, spec: &serde_json::Value) {
        let template = &spec["template"];
        let hash = template["metadata"]["annotations"][labels::RESTART_HASH]
            .as_str()
            .unwrap()
            .to_owned();
        if template["spec"]["containers"][0]["image"] == BAD_IMAGE {
            self.bad.insert(hash.clone());
        }
        let size = &spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"];
        let before = self.seen.sets.iter().position(|set| set.name == name);
        let before = before.map(|index| self.seen.sets.remove(index));
        if let Some(before) = &before {
            assert!(
                !before.deleting,
                "{}: {name} is written on its way out",
                self.seed
            );
            assert_eq!(
                before.size.as_deref(),
                size.as_str(),
                "a claim template cannot change"
            );
        }
        let uid = format!("set-{}", self.draw());
        let same = self.templates.insert(name.to_owned(), hash.clone()) == Some(hash);
        let set = SetSeen {
            name: name.to_owned(),
            owner: Some(UID.into()),
            replicas: u32::try_from(spec["replicas"].as_i64().unwrap()).unwrap(),
            size: size.as_str().map(str::to_owned),
            uid: before.as_ref().map_or(uid, |before| before.uid.clone()),
            deleting: false,
            restart_hash: before
                .filter(|_| same)
                .and_then(|before| before.restart_hash),
            refused: Default::default(),
        };
        self.seen.sets.push(set);
    }

    pub fn put_object(&mut self, kind: Kind, name: &str, hash: String) -> bool {
        let known = self
            .seen
            .objects
            .iter_mut()
            .find(|object| object.kind == kind && object.name == name);
        if let Some(known) = known {
            let differs = known.hash.as_ref() != Some(&hash);
            known.hash = Some(hash);
            return differs;
        }
        self.seen.objects.push(ObjectSeen {
            kind,
            name: name.to_owned(),
            uid: format!("{kind:?}-{name}"),
            owner: Some(OwnerSeen {
                kind: "Cluster".into(),
                name: CLUSTER.into(),
                uid: UID.into(),
            }),
            labelled: true,
            hash: Some(hash),
            live: serde_json::Value::Null,
        });
        true
    }

    pub fn rendered(&self) -> Vec<(Kind, String, String)> {
        let about_the_past = |kind| matches!(kind, Kind::ClusterNode | Kind::PersistentVolumeClaim);
        let wanted = self
            .plan()
            .resources
            .into_iter()
            .filter(|wanted| !about_the_past(wanted.kind));
        wanted
            .map(|wanted| (wanted.kind, wanted.name, wanted.hash))
            .collect()
    }
}
