//! The nodes of the model: one Raft group, and agents that report and obey.

use std::collections::BTreeMap;

use crds::{ClusterNodeSpec, ClusterNodeStatus, DiskClass, DiskStatus, Membership, Role, names};
use operator::observe::ClaimSeen;

use super::world::{Disk, World, bytes};

/// What a node with so much data reports of its disk. A file system is a little smaller than its volume.
fn room(volume: &ClaimSeen, data_bytes: i64) -> Option<DiskStatus> {
    let total_bytes = bytes(volume.capacity.as_ref()?) * 97 / 100;
    let used_percent = i32::try_from(data_bytes.min(total_bytes) * 100 / total_bytes).unwrap();
    Some(DiskStatus {
        total_bytes: Some(total_bytes),
        used_percent,
        class: match used_percent {
            95.. => DiskClass::Full,
            85.. => DiskClass::Low,
            _ => DiskClass::Ok,
        },
    })
}

impl World {
    pub fn runs(&self, member: &str) -> bool {
        let of = |(claim, disk): (&String, &Disk)| {
            let pod = names::pod_of_volume_claim(claim).and_then(|pod| self.pod(pod));
            disk.member == member && pod.is_some_and(|pod| pod.trouble.is_none())
        };
        self.disks.iter().any(of)
    }

    /// A majority elects one of its own.
    pub fn elect(&mut self) {
        let voters: Vec<String> = self
            .members
            .iter()
            .filter(|(_, votes)| **votes)
            .map(|(id, _)| id.clone())
            .collect();
        let live: Vec<String> = voters.iter().filter(|id| self.runs(id)).cloned().collect();
        self.leader = None;
        if live.len() * 2 > voters.len() {
            let avoided = |id: &String| {
                let wish = self
                    .seen
                    .nodes
                    .iter()
                    .find(|node| node.spec.member_id.as_ref() == Some(id));
                wish.is_some_and(|node| node.spec.leadership == crds::Leadership::Avoid)
            };
            let willing: Vec<String> = live.iter().filter(|id| !avoided(id)).cloned().collect();
            let from = if willing.is_empty() { live } else { willing };
            let index = usize::try_from(self.chance(from.len() as u64)).unwrap();
            self.leader = Some(from[index].clone());
            self.term += 1;
        }
    }

    /// Every agent whose pod runs says what it sees.
    pub fn agents_report(&mut self) {
        let ids = |votes: bool| -> Vec<String> {
            self.members
                .iter()
                .filter(|(_, v)| **v == votes)
                .map(|(id, _)| id.clone())
                .collect()
        };
        let (voters, learners) = (ids(true), ids(false));
        let live: Vec<String> = self
            .members
            .keys()
            .filter(|id| self.runs(id))
            .cloned()
            .collect();
        let mut ready = BTreeMap::new();
        for node in &mut self.seen.nodes {
            let Some(pod) = self.seen.pods.iter().find(|pod| pod.name == node.name) else {
                continue;
            };
            let claim = names::volume_claim(&node.name);
            let Some(disk) = self.disks.get(&claim) else {
                continue;
            };
            let volume = self.seen.claims.iter().find(|known| known.name == claim);
            if pod.trouble.is_some() {
                continue;
            }
            let leads = self.leader.as_ref() == Some(&disk.member);
            let member = self.members.get(&disk.member);
            let serves = member.is_some() && !node.spec.fenced;
            ready.insert(node.name.clone(), serves);
            node.status = Some(ClusterNodeStatus {
                member_id: Some(disk.member.clone()),
                cluster_id: disk.cluster.clone(),
                pod_uid: Some(pod.uid.clone()),
                role: Some(match (leads, member) {
                    (true, _) => Role::Leader,
                    (_, Some(true)) => Role::Follower,
                    (_, Some(false)) => Role::Learner,
                    (_, None) => Role::Waiting,
                }),
                term: if member.is_some() { self.term } else { 0 },
                voters: if leads { voters.clone() } else { Vec::new() },
                learners: if leads { learners.clone() } else { Vec::new() },
                removed_ids: if leads {
                    self.removed.iter().cloned().collect()
                } else {
                    Vec::new()
                },
                caught_up: if leads { live.clone() } else { Vec::new() },
                peers_reached: if leads { live.clone() } else { Vec::new() },
                ready: serves,
                fenced: node.spec.fenced,
                incarnation: member.map_or(0, |_| self.incarnation),
                open: self.open && member.is_some(),
                commits: (self.open && leads).then_some(true),
                disk: volume.and_then(|volume| room(volume, self.data_bytes)),
                operation_id: node.spec.operation_id.clone().filter(|_| leads),
                ..ClusterNodeStatus::default()
            });
        }
        for pod in &mut self.seen.pods {
            pod.ready = ready.get(&pod.name).copied().unwrap_or_default();
        }
    }

    /// The node that is told to forms the cluster; the leader carries one wish out.
    pub fn leader_obeys(&mut self) {
        if self.formed.is_none() {
            return self.form();
        }
        if self.leader.is_none() {
            self.recover();
        }
        let Some(leader) = self.leader.clone().filter(|leader| self.runs(leader)) else {
            return;
        };
        let wishes = self.seen.nodes.iter().map(|node| node.spec.clone());
        for wish in wishes.collect::<Vec<ClusterNodeSpec>>() {
            let Some(member) = wish.member_id else {
                continue;
            };
            let mut others = self.members.iter().filter(|(id, _)| **id != leader);
            let another = others.any(|(id, votes)| *votes && self.runs(id));
            if wish.leadership == crds::Leadership::Avoid && member == leader && another {
                return self.elect();
            }
            let now = self.members.get(&member).copied();
            match (wish.membership, now) {
                (Membership::Removed, Some(votes)) if member != leader => {
                    if votes && !self.has_majority_without(&member) {
                        continue;
                    }
                    self.members.remove(&member);
                    self.removed.insert(member);
                    return;
                }
                (Membership::Learner, None)
                    if self.runs(&member) && !self.removed.contains(&member) =>
                {
                    self.join(member, false);
                    return;
                }
                (Membership::Learner, Some(true)) if member == leader => {}
                (Membership::Learner, Some(true)) => {
                    if !self.has_majority_without(&member) {
                        continue;
                    }
                    self.members.insert(member, false);
                    return;
                }
                (Membership::Voter, Some(false)) if self.runs(&member) => {
                    self.join(member, true);
                    let voters = self.members.values().filter(|votes| **votes).count();
                    assert!(voters <= 7, "{}: {voters} voters", self.seed);
                    self.open |= voters >= self.intended;
                    return;
                }
                _ => {}
            }
        }
    }

    /// The survivor that is told to begins anew, and the others are members no more; unless a majority runs, which it asks.
    pub fn recover(&mut self) {
        let told = self
            .seen
            .nodes
            .iter()
            .find_map(|node| node.spec.recover.clone());
        let Some(survivor) = told.map(|told| told.member_id) else {
            return;
        };
        let voters = || self.members.iter().filter(|(_, votes)| **votes);
        let live = voters().filter(|(id, _)| self.runs(id)).count();
        let is_member = self.members.contains_key(&survivor);
        if !self.runs(&survivor) || !is_member || live * 2 > voters().count() {
            return;
        }
        let others = self.members.keys().filter(|id| **id != survivor).cloned();
        self.removed.extend(others.collect::<Vec<_>>());
        self.members = BTreeMap::from([(survivor.clone(), true)]);
        self.leader = Some(survivor);
        self.incarnation += 1;
        self.open = true;
        self.term += 1;
    }

    pub fn join(&mut self, member: String, votes: bool) {
        let disk = self
            .disks
            .values_mut()
            .find(|disk| disk.member == member)
            .unwrap();
        disk.cluster.clone_from(&self.formed);
        self.members.insert(member, votes);
    }

    pub fn form(&mut self) {
        let told: Vec<_> = self
            .seen
            .nodes
            .iter()
            .filter_map(|node| Some((node, node.spec.bootstrap.clone()?)))
            .collect();
        assert!(
            told.len() <= 1,
            "{}: {} nodes are told to form",
            self.seed,
            told.len()
        );
        let Some((node, bootstrap)) = told.into_iter().next() else {
            return;
        };
        let obeys = self
            .disks
            .get(&names::volume_claim(&node.name))
            .is_some_and(|disk| disk.member == bootstrap.member_id);
        if !obeys || self.pod(&node.name).is_none() {
            return;
        }
        self.formed = Some("c1".repeat(16));
        self.intended = usize::try_from(bootstrap.voters).unwrap();
        self.leader = Some(bootstrap.member_id.clone());
        self.term = 1;
        self.join(bootstrap.member_id, true);
        self.open = self.intended == 1;
    }
}
