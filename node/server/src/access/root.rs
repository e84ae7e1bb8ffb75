//! The first user, where a node was told its password at its start.

use std::time::Duration;

use node_engines::Command;
use node_engines::auth::{Asker, Auth, Command as Change, ROOT};
use node_replication::Role;

use super::Secret;
use super::passwords::PasswordError;
use crate::node::Node;

/// Time between two attempts.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// As the leader makes the user root, once the cluster knows users; ends when that is done, by whomever.
pub(crate) async fn watch(node: &Node, password: &Secret) {
    while !is_done(node) {
        let reader = node.reader();
        let leads = node.replication().status().role == Role::Leader;
        if leads && reader.open() && reader.feature_level() >= 2 {
            set_up(node, password).await;
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// Where there is such a user, someone has decided already.
fn is_done(node: &Node) -> bool {
    let decided = |auth: &Auth| auth.enabled() || auth.user(ROOT).is_some();
    node.reader().auth(decided)
}

/// Makes the user root and has everyone asked who they are, as one entry.
async fn set_up(node: &Node, password: &Secret) {
    let passwords = &node.access().passwords;
    let hash = match passwords.hash(node.host(), password.0.clone()).await {
        Ok(hash) => hash,
        Err(PasswordError::Busy) => return,
        Err(error) => {
            tracing::error!(%error, "the user root can not be made with the password in root_password_file");
            return;
        }
    };
    let root = || ROOT.to_owned();
    let changes = [
        Change::AddUser {
            name: root(),
            password: Some(hash),
        },
        Change::AddRole { name: root() },
        Change::GrantRole {
            user: root(),
            role: root(),
        },
        Change::Enable,
    ];
    let commands = [Command::As(Asker::Cluster)].into_iter();
    let commands = commands.chain(changes.into_iter().map(Command::Auth));
    match node.write(None, commands.collect()).await {
        Ok(_) => tracing::info!("the user root was made: everyone must say who they are"),
        Err(error) => tracing::debug!(%error, "the user root was not made; it is tried again"),
    }
}
