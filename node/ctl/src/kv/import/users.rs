//! Users and roles at the target.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use node_api::etcd::authpb::{Permission, Role, User, UserAddOptions};
use node_api::etcd::etcdserverpb::{
    AuthEnableRequest, AuthRoleAddRequest, AuthRoleGetRequest, AuthRoleGrantPermissionRequest,
    AuthRoleListRequest, AuthStatusRequest, AuthUserAddRequest, AuthUserGetRequest,
    AuthUserGrantRoleRequest, AuthUserListRequest,
};

use crate::kv::etcd::{Etcd, patiently, said};
use crate::kv::source::Source;

/// Who may do everything, without any permission.
const ROOT: &str = "root";

/// What is to be done about users and roles.
#[derive(Default)]
pub struct Plan<'a> {
    /// Users to add.
    pub users: Vec<&'a User>,
    /// Roles to add.
    pub roles: Vec<&'a Role>,
    permissions: Vec<(String, Permission)>,
    grants: Vec<(String, String)>,
    enable: bool,
    /// Users that are there already: their passwords stay what they are.
    pub users_there: usize,
}

fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl<'a> Plan<'a> {
    /// What the target lacks.
    ///
    /// # Errors
    /// When a user or a role of the target may do what the one of the source may not.
    pub async fn of(target: &Etcd, source: &'a Source) -> Result<Plan<'a>> {
        let mut plan = Plan::default();
        if source.users.is_empty() && source.roles.is_empty() {
            return Ok(plan);
        }
        let roles = patiently(async || target.auth().role_list(AuthRoleListRequest {}).await).await;
        let roles: BTreeSet<String> = roles.map_err(said)?.roles.into_iter().collect();
        for role in &source.roles {
            let name = name(&role.name);
            let there = match roles.contains(&name) {
                true => permissions(target, &name).await?,
                false => {
                    plan.roles.push(role);
                    Vec::new()
                }
            };
            if name == ROOT {
                continue;
            }
            ensure!(
                there.iter().all(|one| role.key_permission.contains(one)),
                "the role {name} of the target permits what that of the etcd does not: delete one of them, and run this again"
            );
            let lacking = role
                .key_permission
                .iter()
                .filter(|one| !there.contains(one));
            plan.permissions
                .extend(lacking.map(|one| (name.clone(), one.clone())));
        }
        let users = patiently(async || target.auth().user_list(AuthUserListRequest {}).await).await;
        let users: BTreeSet<String> = users.map_err(said)?.users.into_iter().collect();
        for user in &source.users {
            plan.add_user(target, user, &users).await?;
        }
        let status =
            patiently(async || target.auth().auth_status(AuthStatusRequest {}).await).await;
        plan.enable = source.asks_users && !status.map_err(said)?.enabled;
        Ok(plan)
    }

    async fn add_user(
        &mut self,
        target: &Etcd,
        user: &'a User,
        users: &BTreeSet<String>,
    ) -> Result<()> {
        let name = name(&user.name);
        let there = match users.contains(&name) {
            true => {
                self.users_there += 1;
                let request = AuthUserGetRequest { name: name.clone() };
                let found = patiently(async || target.auth().user_get(request.clone()).await);
                found.await.map_err(said)?.roles
            }
            false => {
                self.users.push(user);
                Vec::new()
            }
        };
        ensure!(
            there.iter().all(|role| user.roles.contains(role)),
            "the user {name} of the target has a role that that of the etcd has not: delete one of them, and run this again"
        );
        let lacking = user.roles.iter().filter(|role| !there.contains(role));
        self.grants
            .extend(lacking.map(|role| (name.clone(), role.clone())));
        Ok(())
    }

    /// Adds what is lacking.
    ///
    /// # Errors
    /// When the target refuses.
    pub async fn add(&self, target: &Etcd) -> Result<()> {
        // What was done though nothing was heard of it is not done again: whoever runs this once more finds it there.
        let mut auth = target.auth();
        for role in &self.roles {
            let name = name(&role.name);
            auth.role_add(AuthRoleAddRequest { name })
                .await
                .map_err(said)?;
        }
        for (name, permission) in &self.permissions {
            let request = AuthRoleGrantPermissionRequest {
                name: name.clone(),
                perm: Some(permission.clone()),
            };
            auth.role_grant_permission(request).await.map_err(said)?;
        }
        for user in &self.users {
            let no_password =
                user.password.is_empty() || user.options.is_some_and(|options| options.no_password);
            let request = AuthUserAddRequest {
                name: name(&user.name),
                password: String::new(),
                options: Some(UserAddOptions { no_password }),
                hashed_password: BASE64_STANDARD.encode(&user.password),
            };
            let adding = auth.user_add(request.clone()).await.map_err(said);
            adding.with_context(|| format!("failed to add the user {}", request.name))?;
        }
        for (user, role) in self.grants.iter().cloned() {
            let request = AuthUserGrantRoleRequest { user, role };
            auth.user_grant_role(request).await.map_err(said)?;
        }
        Ok(())
    }

    /// Has users asked who they are, where the source does and the target does not yet; gives whether that was so.
    ///
    /// # Errors
    /// When the target refuses.
    pub async fn enable(&self, target: &Etcd) -> Result<bool> {
        if self.enable {
            let enabled = target.auth().auth_enable(AuthEnableRequest {}).await;
            enabled.map_err(said)?;
        }
        Ok(self.enable)
    }
}

async fn permissions(target: &Etcd, role: &str) -> Result<Vec<Permission>> {
    let request = AuthRoleGetRequest {
        role: role.to_owned(),
    };
    let found = patiently(async || target.auth().role_get(request.clone()).await).await;
    Ok(found.map_err(said)?.perm)
}
