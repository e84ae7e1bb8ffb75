//! A ClusterNode as read once: the operator's wish, and what that node's own agent reported.

use crds::{ClusterNode, Leadership, Membership};

use crate::ids::MemberId;

/// One ClusterNode. An id that cannot be read counts as absent, which means "change nothing".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Name of the ClusterNode, that of its pod.
    pub name: String,
    /// UID of the ClusterNode: another one is another object.
    pub uid: String,
    /// Generation of its spec.
    pub generation: Option<i64>,
    /// Member id that the wish is for.
    pub member: Option<MemberId>,
    /// What that member should be.
    pub membership: Membership,
    /// Who forms a new cluster, and how many voters are intended.
    pub bootstrap: Option<(MemberId, u32)>,
    /// True if the node should serve no client.
    pub fenced: bool,
    /// Who begins anew from its own disk alone, and the position that it must have.
    pub recover: Option<(MemberId, String)>,
    /// Whether the member may lead.
    pub leadership: Leadership,
    /// Age of the wish: a lower one than the log holds is refused.
    pub epoch: u64,
    /// What the operator waits to see echoed.
    pub operation: Option<String>,
    /// What the node reported.
    pub reported: Introduction,
}

/// What a node reported of itself and a leader must know to let it join.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Introduction {
    /// Its member id.
    pub member: Option<MemberId>,
    /// Cluster id found on its disk, hex.
    pub cluster: Option<String>,
    /// Where its peers reach it.
    pub peer_address: Option<String>,
    /// Its public key.
    pub key: Option<[u8; 32]>,
}

impl Wish {
    /// Reads a ClusterNode; `None` if it belongs to another Cluster than `cluster`.
    pub fn read(object: &ClusterNode, cluster: &str) -> Option<Self> {
        let spec = &object.spec;
        if spec.cluster != cluster {
            return None;
        }
        let status = object.status.clone().unwrap_or_default();
        Some(Self {
            name: object.metadata.name.clone().unwrap_or_default(),
            uid: object.metadata.uid.clone().unwrap_or_default(),
            generation: object.metadata.generation,
            member: id(spec.member_id.as_ref()),
            membership: spec.membership,
            bootstrap: spec.bootstrap.as_ref().and_then(|wish| {
                let member = wish.member_id.parse().ok()?;
                Some((member, u32::try_from(wish.voters).ok()?))
            }),
            fenced: spec.fenced,
            recover: spec.recover.as_ref().and_then(|wish| {
                let member = wish.member_id.parse().ok()?;
                Some((member, wish.position.clone()))
            }),
            leadership: spec.leadership,
            epoch: u64::try_from(spec.epoch).unwrap_or(0),
            operation: spec.operation_id.clone(),
            reported: Introduction {
                member: id(status.member_id.as_ref()),
                cluster: status.cluster_id,
                peer_address: status.peer_address,
                key: status.public_key.and_then(|hex| key(&hex)),
            },
        })
    }

    /// True if the wish is for this member, and not for one that had the pod before.
    pub fn is_for(&self, member: MemberId) -> bool {
        self.member == Some(member)
    }
}

fn id(text: Option<&String>) -> Option<MemberId> {
    text.and_then(|text| text.parse().ok())
}

fn key(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    hex::decode_to_slice(text, &mut key).ok()?;
    Some(key)
}
