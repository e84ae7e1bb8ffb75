//! Puts a node together from what its disk holds.

use std::sync::Arc;

use node_engines::{DecodeError, Engines, OpenError};
use node_host::Host;
use node_replication::{ClusterId, Identity};
use node_storage::Storage;
use tokio::sync::watch;

use crate::access::{Access, Passwords, Tokens};
use crate::config::Config;
use crate::errors::StartError;
use crate::fence::Fence;
use crate::founding;
use crate::leases::Leases;
use crate::levels::Levels;
use crate::machine::EngineMachine;
use crate::node::Node;
use crate::questions::Answers;
use crate::reserve::Reserve;
use crate::stamper::LeaderStamper;
use crate::watches::Watches;
use crate::work;

/// Starts a node on its disk: the log in the data folder that [`crate::prepare`] made ready, and the state in `storage`.
///
/// A state that does not open is emptied and rebuilt from the last snapshot and the log. A state of another cluster than
/// the disk's identity, or of a newer feature level, is refused.
pub async fn start(
    host: Host,
    storage: Arc<dyn Storage>,
    config: Config,
) -> Result<Node, StartError> {
    let dir = config.replication.data_dir.clone();
    let identity = Identity::load_or_draw(&host, &dir).await?;
    let engines = open(&host, storage.clone()).await?;
    let reader = engines.reader();
    if let Some(state) = reader.cluster_id().map(|id| ClusterId(id.0))
        && identity.cluster != Some(state)
    {
        return Err(StartError::OtherCluster {
            state,
            identity: identity.cluster,
        });
    }
    let founding = founding::read(&host, &dir).await?;
    let fence = Fence::read(&host, &dir).await?;
    let reserve = Arc::new(Reserve::new(host.clone(), dir, &config.limits));
    reserve.look();
    let leases = Arc::new(Leases::new(host.clone(), reader.clone()));
    let levels = Arc::<Levels>::default();
    let stamper = Arc::new(LeaderStamper::new(
        host.clone(),
        reserve.clone(),
        reader.clone(),
        Answers {
            leases: leases.clone(),
            levels: levels.clone(),
        },
    ));
    let revisions = watch::Sender::new(reader.revision());
    let watches = Watches::new(host.clone(), reader.clone(), revisions.subscribe());
    let machine = Box::new(EngineMachine::new(engines, storage, revisions));
    let Config {
        replication,
        limits,
        version,
        founding_level,
        access,
    } = config;
    let access = Arc::new(Access {
        tokens: Tokens::new(access.token_key, replication.cluster_key.as_bytes()),
        passwords: Passwords::default(),
        root_password: access.root_password,
    });
    let dir = replication.data_dir.clone();
    let starting = node_replication::start(host.clone(), replication, identity, machine, stamper);
    let replication = Box::pin(starting).await.map_err(StartError::Log)?;
    Ok(Node::run(
        host,
        dir,
        replication,
        reader,
        watches,
        leases,
        levels,
        reserve,
        fence,
        limits,
        version,
        founding,
        founding_level,
        access,
    ))
}

async fn open(host: &Host, storage: Arc<dyn Storage>) -> Result<Engines, StartError> {
    let opened = work::run(host, "open-state", async move { open_or_rebuild(&storage) }).await;
    Ok(opened.map_err(StartError::files("run a worker"))??)
}

fn open_or_rebuild(storage: &Arc<dyn Storage>) -> Result<Engines, OpenError> {
    match Engines::open(storage.clone()) {
        Ok(engines) => Ok(engines),
        Err(newer) if is_newer(&newer) => Err(newer),
        Err(error) => {
            tracing::error!(%error, "the state does not open: it is rebuilt from the last snapshot and the log");
            storage.replace(&mut std::iter::empty())?;
            Engines::open(storage.clone())
        }
    }
}

/// A newer program wrote the state: rebuilding it with this one would only hide that.
fn is_newer(error: &OpenError) -> bool {
    match error {
        OpenError::FeatureLevel { .. } => true,
        OpenError::Row { source, .. } => matches!(source, DecodeError::FromTheFuture { .. }),
        OpenError::Storage(_) | OpenError::ValueLost { .. } => false,
    }
}
