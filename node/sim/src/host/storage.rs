//! The storage of a simulated node: that in memory, with the mistakes that lie in how it is used.

use std::ops::Bound;

use super::disk::{Disk, FAILED_ON_PURPOSE};
use bytes::Bytes;
use node_host::Flaw;
use node_storage::{Batch, Memory, Op, Row, Storage, StorageError, Table, View};

/// The table of requests that were carried out.
const REQUESTS: Table = Table("requests");
/// The changes of the keys, and the row that says where their history begins.
const CHANGES: Table = Table("kv");
const COMPACTED: (Table, &[u8]) = (Table("system"), b"compacted");
/// The row that says how far the state has come.
const HEAD: (Table, &[u8]) = (Table("system"), b"head");

/// The state of one node.
pub struct State {
    /// Where it is kept.
    pub memory: Memory,
    /// The mistake that its node makes.
    pub flaw: Option<Flaw>,
    /// The disk it stands for: without power nothing becomes durable.
    pub disk: Disk,
}

impl State {
    fn check_power(&self) -> Result<(), StorageError> {
        match self.disk.has_lost_power() {
            true => Err(StorageError::failed("reach the disk", FAILED_ON_PURPOSE[1])),
            false => Ok(()),
        }
    }

    /// Where the batch compacts, the last change before that goes too.
    fn with_too_much(&self, batch: Batch) -> Result<Batch, StorageError> {
        let mut whole = Batch::new();
        let mut end = None;
        for op in batch.into_ops() {
            match op {
                Op::Put { table, key, value } => {
                    if (table, &*key) == COMPACTED {
                        end = Some(value.clone());
                    }
                    whole.put(table, key, value);
                }
                Op::Delete { table, key } => whole.delete(table, key),
            }
        }
        if let Some(end) = end {
            let view = self.memory.view()?;
            let before = (Bound::Unbounded, Bound::Excluded(end));
            if let Some(last) = view.scan(CHANGES, before).last() {
                whole.delete(CHANGES, last?.0);
            }
        }
        Ok(whole)
    }

    fn parts(batch: Batch, apart: impl Fn(&Op) -> bool) -> [Batch; 2] {
        let mut parts = [Batch::new(), Batch::new()];
        let [first, second] = &mut parts;
        for op in batch.into_ops() {
            let to = if apart(&op) {
                &mut *second
            } else {
                &mut *first
            };
            match op {
                Op::Put { table, key, value } => to.put(table, key, value),
                Op::Delete { table, key } => to.delete(table, key),
            }
        }
        parts
    }
}

fn place(op: &Op) -> (Table, &Bytes) {
    match op {
        Op::Put { table, key, .. } | Op::Delete { table, key } => (*table, key),
    }
}

impl Storage for State {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.memory.get(table, key)
    }

    fn view(&self) -> Result<Box<dyn View>, StorageError> {
        self.memory.view()
    }

    fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        match self.flaw {
            Some(Flaw::RequestsInMemory) => {
                let [kept, _] = State::parts(batch, |op| place(op).0 == REQUESTS);
                self.memory.commit(kept)
            }
            Some(Flaw::AppliedApart) => {
                let of_head = |op: &Op| place(op).0 == HEAD.0 && place(op).1 == HEAD.1;
                let [state, head] = State::parts(batch, of_head);
                self.memory.commit(state)?;
                self.memory.commit(head)
            }
            Some(Flaw::CompactTooMuch) => self.memory.commit(self.with_too_much(batch)?),
            _ => self.memory.commit(batch),
        }
    }

    fn persist(&self) -> Result<(), StorageError> {
        self.check_power()?;
        self.memory.persist()
    }

    fn replace(
        &self,
        rows: &mut dyn Iterator<Item = Result<Row, StorageError>>,
    ) -> Result<(), StorageError> {
        self.check_power()?;
        self.memory.replace(rows)
    }

    fn bytes_used(&self) -> Result<u64, StorageError> {
        self.memory.bytes_used()
    }
}
