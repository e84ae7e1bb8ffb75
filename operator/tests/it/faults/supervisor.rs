//! What a kubelet does for an operator's container: it starts it again whenever it died.

use std::sync::Arc;

use anyhow::{Context, Result};
use kube::client::ClientBuilder;
use operator::config::Config;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::director::Director;
use super::wire::Wire;

/// An operator that is started again whenever it died.
pub struct Supervised {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<()>>,
}

impl Supervised {
    /// Starts it. Its processes are named `<identity>/<number>` to the director.
    pub fn start(access: kube::Config, config: Config, director: Arc<Director>) -> Supervised {
        let (stop, stopped) = oneshot::channel();
        Supervised {
            stop,
            task: tokio::spawn(supervise(access, config, director, stopped)),
        }
    }

    /// True while it has not ended.
    pub fn runs(&self) -> bool {
        !self.task.is_finished()
    }

    /// Has it end in good order.
    pub async fn stop(self) -> Result<()> {
        self.stop
            .send(())
            .ok()
            .context("the operator ended by itself")?;
        self.task.await?
    }
}

async fn supervise(
    access: kube::Config,
    config: Config,
    director: Arc<Director>,
    mut stopped: oneshot::Receiver<()>,
) -> Result<()> {
    for number in 0_usize.. {
        let wire = Wire::new(director.clone(), &format!("{}/{number}", config.identity));
        let access = operator::bounded(access.clone());
        let client = ClientBuilder::try_from(access)?
            .with_layer(&wire)
            .with_layer(&operator::heeding())
            .build();
        let stop = async { drop((&mut stopped).await) };
        tokio::select! {
            () = wire.died() => {}
            outcome = operator::run(client, config.clone(), stop) => return Ok(outcome?),
        }
    }
    Ok(())
}
