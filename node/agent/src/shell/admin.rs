//! The door to the node: its admin API.

use std::time::Duration;

use futures::stream::{BoxStream, StreamExt, unfold};
use node_api::{AdminClient, CallError, proto};

use crate::agent::Acted;
use crate::backoff::Backoff;
use crate::decide::Action;
use crate::node::Node;

/// First and longest wait before a node that did not answer is asked again.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// Carries out one action on the node; the client gives each call its time.
pub async fn act(node: AdminClient, action: Action) -> Result<Acted, CallError> {
    match action {
        Action::ReportStatus(_) => {}
        Action::Bootstrap { member, voters } => {
            node.bootstrap(member.0, voters).await?;
        }
        Action::SetFence { fenced } => node.set_fence(fenced).await?,
        Action::Recover { member, position } => {
            // The wish is made only where the loss was acknowledged in the Cluster.
            let request = proto::RecoverRequest {
                member_id: member.0,
                position,
                acknowledge_loss: true,
            };
            node.recover(request).await?;
        }
        Action::TransferLeadership { to } => node.transfer_leadership(Some(to.0)).await?,
        Action::ChangeMember(change) => {
            node.change_member(change.into()).await?;
        }
        Action::ConfirmLeadership { .. } => {
            let status = node.confirmed_status().await?;
            let term = status.confirmed_term;
            return Ok(Acted::Confirmed(Box::new(status.into()), term));
        }
    }
    Ok(Acted::Done)
}

/// What the node says of itself, now and after each change; a node that does not answer is asked again.
pub fn watch(node: AdminClient) -> BoxStream<'static, Node> {
    let backoff = Backoff::new(RETRY.0, RETRY.1, "");
    unfold(
        (node, None, backoff),
        async |(node, mut open, mut backoff)| {
            loop {
                let failure = match &mut open {
                    None => match node.watch_status().await {
                        Ok(stream) => {
                            open = Some(stream);
                            continue;
                        }
                        Err(error) => error.to_string(),
                    },
                    Some(stream) => match stream.message().await {
                        Ok(Some(status)) => {
                            backoff.reset();
                            return Some((status.into(), (node, open, backoff)));
                        }
                        Ok(None) => "the answer ended".to_owned(),
                        Err(error) => error.message().to_owned(),
                    },
                };
                tracing::debug!(failure, "the node says nothing of itself; asking again");
                open = None;
                tokio::time::sleep(backoff.fail()).await;
            }
        },
    )
    .boxed()
}
