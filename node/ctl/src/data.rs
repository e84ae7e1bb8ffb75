//! Keys: put, get, delete, list.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use clap::{Args, Subcommand, ValueEnum};
use node_api::{Consistency, Data, DataError, Encoded, WriteOptions};
use tokio::io::AsyncReadExt;

use crate::arguments::HTTP_DEFAULT;
use crate::output::{self, Reader};

/// Exit status for a key that is not there.
const NOT_THERE: u8 = 2;

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum DataAction {
    /// Set the value of a key; prints the position of the write.
    Put {
        #[command(flatten)]
        node: Node,
        #[command(flatten)]
        write: Repeat,
        /// The key.
        key: String,
        /// The value; `-` reads it from standard input.
        value: String,
    },
    /// Print the value of a key, as it is, on a terminal with a line break; exit status 2 where there is none.
    Get {
        #[command(flatten)]
        node: Node,
        #[command(flatten)]
        read: Read,
        /// The key.
        key: String,
    },
    /// Delete a key; exit status 2 where there was none.
    Delete {
        #[command(flatten)]
        node: Node,
        #[command(flatten)]
        write: Repeat,
        /// The key.
        key: String,
    },
    /// List keys in order, one a line: key, revision, value.
    List {
        #[command(flatten)]
        node: Node,
        #[command(flatten)]
        read: Read,
        /// What the keys begin with.
        #[arg(default_value = "")]
        prefix: String,
    },
}

/// Which node to ask.
#[derive(Debug, Args)]
pub struct Node {
    /// HTTP listener of any node.
    #[arg(long = "http", value_name = "URL", default_value = HTTP_DEFAULT)]
    url: String,
}

/// How a write is made.
#[derive(Debug, Args)]
pub struct Repeat {
    /// A name for this write: repeated under the same name it has one effect.
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

/// How fresh a read must be.
#[derive(Debug, Args)]
pub struct Read {
    /// How fresh the answer must be.
    #[arg(long, value_enum, default_value_t = Freshness::Linearizable)]
    consistency: Freshness,
    /// For session reads: the position that the answer must include.
    #[arg(long, required_if_eq("consistency", "session"))]
    position: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Freshness {
    Linearizable,
    Lease,
    Session,
    Local,
}

impl Read {
    fn consistency(self) -> Consistency {
        match self.consistency {
            Freshness::Linearizable => Consistency::Linearizable,
            Freshness::Lease => Consistency::Lease,
            Freshness::Session => Consistency::Session(self.position.unwrap_or_default()),
            Freshness::Local => Consistency::Local,
        }
    }
}

impl Repeat {
    fn options(self) -> WriteOptions {
        WriteOptions {
            request_id: self.request_id,
        }
    }
}

/// Does it.
///
/// # Errors
/// With what the node said.
pub async fn act(action: DataAction) -> Result<ExitCode> {
    carry_out(action).await.map_err(advised)
}

/// Where no node gave a word, it may not be the one that was meant.
fn advised(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref() {
        Some(DataError::Unavailable { code: None, .. }) => anyhow!(
            "{error}; --http names the node to ask, and `kubectl port-forward svc/<cluster>-client 8080` leads to one"
        ),
        _ => error,
    }
}

async fn carry_out(action: DataAction) -> Result<ExitCode> {
    match action {
        DataAction::Put {
            node,
            write,
            key,
            value,
        } => {
            let value = if value == "-" {
                standard_input().await?
            } else {
                value.into()
            };
            let put = Data::new(&node.url)?
                .put(key.as_bytes(), value, &write.options())
                .await?;
            output::line(put.position)?;
        }
        DataAction::Get { node, read, key } => {
            let found = Data::new(&node.url)?
                .get(key.as_bytes(), &read.consistency())
                .await?;
            let Some(found) = found else {
                return Ok(not_there(&key));
            };
            output::bytes(&found.value)?;
        }
        DataAction::Delete { node, write, key } => {
            let deleted = Data::new(&node.url)?
                .delete(key.as_bytes(), &write.options())
                .await?;
            let Some(deleted) = deleted else {
                return Ok(not_there(&key));
            };
            output::line(deleted.position)?;
        }
        DataAction::List { node, read, prefix } => {
            list(&node.url, &prefix, &read.consistency()).await?
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn not_there(key: &str) -> ExitCode {
    output::aside(format_args!("klusterctl: there is no key {key:?}"));
    ExitCode::from(NOT_THERE)
}

async fn standard_input() -> Result<Bytes> {
    let mut bytes = Vec::new();
    tokio::io::stdin().read_to_end(&mut bytes).await?;
    Ok(bytes.into())
}

async fn list(url: &str, prefix: &str, consistency: &Consistency) -> Result<()> {
    const PAGE: usize = 100;
    let mut data = Data::new(url)?;
    let mut from = None;
    loop {
        let page = data
            .list(prefix.as_bytes(), from.as_deref(), PAGE, consistency)
            .await?;
        for item in &page.items {
            let shown = |bytes: &Encoded| match bytes {
                Encoded::Text(text) => text.clone(),
                Encoded::Base64(text) => format!("base64:{text}"),
            };
            let printed = output::line(format_args!(
                "{}\t{}\t{}",
                shown(&item.key),
                item.revision,
                shown(&item.value)
            ));
            if printed? == Reader::Gone {
                return Ok(());
            }
        }
        from = page.next;
        if from.is_none() {
            return Ok(());
        }
    }
}
