//! Loopback addresses: a block for each stand-in, one address for each pod name.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

/// Port whose listener marks a block as taken, the kubelet's own.
const CLAIM_PORT: u16 = 10_250;
/// Second bytes of the blocks, well away from 127.0.0.1.
const BLOCKS: std::ops::RangeInclusive<u8> = 64..=127;

/// A block of 127.0.0.0/8 that no other process uses as long as this lives.
#[derive(Debug)]
pub(super) struct Addresses {
    node: Ipv4Addr,
    given: Mutex<BTreeMap<String, Ipv4Addr>>,
    _claim: TcpListener,
}

impl Addresses {
    /// Takes the first free block.
    pub fn claim() -> Result<Self> {
        for second in BLOCKS {
            for third in 0..=u8::MAX {
                let node = Ipv4Addr::new(127, second, third, 1);
                if let Ok(claim) = TcpListener::bind((node, CLAIM_PORT)) {
                    return Ok(Self {
                        node,
                        given: Mutex::default(),
                        _claim: claim,
                    });
                }
            }
        }
        bail!("every block of loopback addresses is taken")
    }

    /// The address of the nodes themselves.
    pub fn node(&self) -> Ipv4Addr {
        self.node
    }

    /// The address of the pod of this name, always the same.
    pub fn of(&self, pod: &str) -> Result<Ipv4Addr> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = given.get(pod) {
            return Ok(*address);
        }
        let next = u8::try_from(given.len() + 2)
            .ok()
            .filter(|last| *last < u8::MAX)
            .context("a stand-in kubelet has addresses for 253 pod names")?;
        let [first, second, third, _] = self.node.octets();
        let address = Ipv4Addr::new(first, second, third, next);
        given.insert(pod.to_owned(), address);
        Ok(address)
    }
}
