//! StatefulSets, kubelets and disks of the model.

use crds::names;
use operator::observe::{ClaimSeen, PodSeen, SetSeen};
use operator::resource::Kind;

use super::world::{CLUSTER, Disk, World};

impl World {
    /// The StatefulSet controller and the kubelets.
    pub fn kubernetes(&mut self) {
        let going: Vec<SetSeen> = self.seen.sets.extract_if(.., |set| set.deleting).collect();
        for set in going {
            self.templates.remove(&set.name);
            self.seen
                .objects
                .retain(|object| object.kind != Kind::StatefulSet || object.name != set.name);
        }
        for set in &mut self.seen.sets {
            set.restart_hash = self.templates.get(&set.name).cloned();
        }
        for claim in &mut self.seen.claims {
            claim.capacity.clone_from(&claim.size);
        }
        for set in self.seen.sets.clone() {
            let zone = set.name.strip_prefix("demo-").unwrap().to_owned();
            for ordinal in 0..32 {
                let name = names::pod(CLUSTER, &zone, ordinal);
                let (wanted, there) = (ordinal < set.replicas, self.pod(&name).is_some());
                if wanted && !there {
                    self.start(&name);
                }
                if !wanted && there {
                    let disk = self
                        .disks
                        .get(&names::volume_claim(&name))
                        .map(|disk| disk.member.clone());
                    let member = disk.unwrap_or_default();
                    assert!(
                        !self.members.contains_key(&member),
                        "{}: {name} is taken away as a member",
                        self.seed
                    );
                    self.seen.pods.retain(|pod| pod.name != name);
                }
            }
        }
        let lead = self.leader.clone().is_some_and(|leader| self.runs(&leader));
        if !lead {
            self.elect();
        }
    }

    pub fn start(&mut self, name: &str) {
        let claim = names::volume_claim(name);
        if !self.seen.claims.iter().any(|known| known.name == claim) {
            let uid = format!("claim-{}", self.draw());
            let size = self.set_of(name).and_then(|set| set.size.clone());
            self.seen.claims.push(ClaimSeen {
                name: claim.clone(),
                uid,
                bound: true,
                capacity: size.clone(),
                size,
                ..ClaimSeen::default()
            });
            self.disks.remove(&claim);
        }
        let set_aside = self
            .disks
            .get(&claim)
            .is_none_or(|disk| self.removed.contains(&disk.member));
        if set_aside {
            let member = format!("{:016x}", self.draw());
            self.disks.insert(
                claim,
                Disk {
                    member,
                    cluster: None,
                },
            );
        }
        let uid = format!("pod-{}", self.draw());
        let restart_hash = self.set_of(name).and_then(|set| set.restart_hash.clone());
        let is_bad = restart_hash
            .as_ref()
            .is_some_and(|hash| self.bad.contains(hash));
        let pod = PodSeen {
            name: name.to_owned(),
            uid,
            restart_hash,
            trouble: is_bad.then(|| "container node waits: ImagePullBackOff".to_owned()),
            ..PodSeen::default()
        };
        self.seen.pods.push(pod);
    }

    pub fn set_of(&self, pod: &str) -> Option<&SetSeen> {
        let (zone, _) = names::zone_and_ordinal(CLUSTER, pod)?;
        let name = names::stateful_set(CLUSTER, zone);
        self.seen.sets.iter().find(|set| set.name == name)
    }

    pub fn pod(&self, name: &str) -> Option<&PodSeen> {
        self.seen.pods.iter().find(|pod| pod.name == name)
    }

    pub fn restart_a_pod(&mut self) {
        if self.seen.pods.is_empty() {
            return;
        }
        let index = usize::try_from(self.chance(self.seen.pods.len() as u64)).unwrap();
        let name = self.seen.pods.remove(index).name;
        let lives = self.set_of(&name).is_some_and(|set| !set.deleting);
        if self.chance(2) == 0 && lives {
            self.start(&name);
        }
    }

    /// A disk and its pod are gone; Kubernetes makes both anew.
    pub fn lose_disk_of(&mut self, name: &str) {
        let claim = names::volume_claim(name);
        self.disks.remove(&claim);
        self.seen.claims.retain(|known| known.name != claim);
        self.seen.pods.retain(|pod| pod.name != name);
        self.elect();
    }

    /// A volume is lost with its claim, while all else is well.
    pub fn lose_a_disk(&mut self) {
        let well = self.open
            && self
                .members
                .iter()
                .all(|(id, votes)| *votes && self.runs(id));
        if !well || self.members.len() < 3 {
            return;
        }
        let index = usize::try_from(self.chance(self.seen.pods.len() as u64)).unwrap();
        let name = self.seen.pods[index].name.clone();
        let claim = names::volume_claim(&name);
        let lost = self.disks.remove(&claim).unwrap().member;
        self.seen.claims.retain(|known| known.name != claim);
        self.seen.pods.remove(index);
        if self.leader.as_ref() == Some(&lost) {
            self.elect();
        }
    }
}
