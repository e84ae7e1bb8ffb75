//! The service of users and roles.

use bytes::Bytes;
use node_api::etcd::Error;
use node_api::etcd::authpb;
use node_api::etcd::etcdserverpb::auth_server::Auth as AuthService;
use node_api::etcd::etcdserverpb::{
    AuthDisableRequest, AuthDisableResponse, AuthEnableRequest, AuthEnableResponse,
    AuthRoleAddRequest, AuthRoleAddResponse, AuthRoleDeleteRequest, AuthRoleDeleteResponse,
    AuthRoleGetRequest, AuthRoleGetResponse, AuthRoleGrantPermissionRequest,
    AuthRoleGrantPermissionResponse, AuthRoleListRequest, AuthRoleListResponse,
    AuthRoleRevokePermissionRequest, AuthRoleRevokePermissionResponse, AuthStatusRequest,
    AuthStatusResponse, AuthUserAddRequest, AuthUserAddResponse, AuthUserChangePasswordRequest,
    AuthUserChangePasswordResponse, AuthUserDeleteRequest, AuthUserDeleteResponse,
    AuthUserGetRequest, AuthUserGetResponse, AuthUserGrantRoleRequest, AuthUserGrantRoleResponse,
    AuthUserListRequest, AuthUserListResponse, AuthUserRevokeRoleRequest,
    AuthUserRevokeRoleResponse, AuthenticateRequest, AuthenticateResponse, ResponseHeader,
};
use node_engines::auth::{Auth, Command, Permission, ROOT, Refusal, User};
use node_engines::kv::{End, Keys};
use node_engines::{Command as Any, Rejection};
use tonic::{Request, Response, Status};

use super::callers::caller;
use super::errors::{refused, status};
use super::permits;
use super::service::Etcd;
use super::steps::keys;
use crate::access::{Caller, PasswordError, Passwords};
use crate::node::Consistency;

impl Etcd {
    /// Has a change carried out for a caller who may do everything.
    async fn administer(
        &self,
        caller: Caller,
        command: Command,
    ) -> Result<Option<ResponseHeader>, Status> {
        let commands = vec![Any::Auth(command)];
        let writing = self.node.write_as(&caller, permits::root, None, commands);
        let written = writing.await;
        let position = written.map_err(status)?.position;
        // Whoever asks this node next finds it done.
        let applied = self.node.read(Consistency::Session(position)).await;
        applied.map_err(status)?;
        Ok(Some(self.header_now()))
    }

    async fn hashed(&self, password: String) -> Result<Bytes, Status> {
        let hashing = self
            .node
            .access()
            .passwords
            .hash(self.node.host(), password);
        hashing.await.map_err(unhashed)
    }

    /// Looks at the users and roles as of now.
    async fn look<T>(&self, look: impl FnOnce(&Auth) -> Result<T, Refusal>) -> Result<T, Status> {
        let reader = self.reader(false).await?;
        reader.auth(look).map_err(|refusal| refused(refusal.into()))
    }
}

fn unhashed(error: PasswordError) -> Status {
    match error {
        PasswordError::Busy => Error::RequestTooManyRequests.into(),
        PasswordError::Unusable | PasswordError::NoHash => {
            Status::invalid_argument(error.to_string())
        }
    }
}

/// A permission as etcd shows it.
pub(super) fn shown(permission: &Permission) -> authpb::Permission {
    let kind = match (permission.read, permission.write) {
        (true, true) => authpb::permission::Type::Readwrite,
        (false, true) => authpb::permission::Type::Write,
        _ => authpb::permission::Type::Read,
    };
    authpb::Permission {
        perm_type: kind.into(),
        key: permission.keys.from.clone(),
        range_end: match &permission.keys.end {
            End::Same => Bytes::new(),
            End::Before(end) => end.clone(),
            End::Open => Bytes::from_static(&[0]),
        },
    }
}

/// What root may do: everything.
fn of_root() -> Permission {
    Permission {
        keys: Keys {
            from: Bytes::new(),
            end: End::Open,
        },
        read: true,
        write: true,
    }
}

#[tonic::async_trait]
impl AuthService for Etcd {
    async fn auth_enable(
        &self,
        request: Request<AuthEnableRequest>,
    ) -> Result<Response<AuthEnableResponse>, Status> {
        let header = self.administer(caller(&request), Command::Enable).await?;
        Ok(Response::new(AuthEnableResponse { header }))
    }

    async fn auth_disable(
        &self,
        request: Request<AuthDisableRequest>,
    ) -> Result<Response<AuthDisableResponse>, Status> {
        let header = self.administer(caller(&request), Command::Disable).await?;
        Ok(Response::new(AuthDisableResponse { header }))
    }

    async fn auth_status(
        &self,
        _: Request<AuthStatusRequest>,
    ) -> Result<Response<AuthStatusResponse>, Status> {
        let found = self.look(|auth| Ok((auth.enabled(), auth.revision())));
        let (enabled, auth_revision) = found.await?;
        Ok(Response::new(AuthStatusResponse {
            header: Some(self.header_now()),
            enabled,
            auth_revision,
        }))
    }

    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        let AuthenticateRequest { name, password } = request.into_inner();
        let found = self.look(|auth| {
            let user = auth.user(&name).cloned();
            Ok((auth.enabled(), user, auth.revision()))
        });
        let (true, user, revision) = found.await? else {
            return Err(Error::AuthNotEnabled.into());
        };
        let user = user.ok_or(Error::AuthFailed)?;
        let hash = user.password.ok_or(Error::NoPasswordUser)?;
        let fits = self.node.access().passwords.fits(password, hash).await;
        if !fits.map_err(unhashed)? {
            return Err(Error::AuthFailed.into());
        }
        let now = self.node.host().clock.wall();
        let token = self.node.access().tokens.sign(&name, revision, now);
        Ok(Response::new(AuthenticateResponse {
            header: Some(self.header_now()),
            token: token.ok_or_else(|| Status::internal("the token was not signed"))?,
        }))
    }

    async fn user_add(
        &self,
        request: Request<AuthUserAddRequest>,
    ) -> Result<Response<AuthUserAddResponse>, Status> {
        let caller = caller(&request);
        let AuthUserAddRequest {
            name,
            password,
            options,
            hashed_password,
        } = request.into_inner();
        // Nobody makes this node hash who could not add the user after it.
        self.is_root(&caller)?;
        let password = match options.is_some_and(|options| options.no_password) {
            true => None,
            // Of a user who is moved here. (etcd itself takes such a hash from its own log alone.)
            false if password.is_empty() && !hashed_password.is_empty() => {
                Some(Passwords::made_elsewhere(&hashed_password).map_err(unhashed)?)
            }
            false => Some(self.hashed(password).await?),
        };
        let command = Command::AddUser { name, password };
        let header = self.administer(caller, command).await?;
        Ok(Response::new(AuthUserAddResponse { header }))
    }

    async fn user_get(
        &self,
        request: Request<AuthUserGetRequest>,
    ) -> Result<Response<AuthUserGetResponse>, Status> {
        let caller = caller(&request);
        let name = request.into_inner().name;
        let found = self.look(|auth| Ok(auth.user(&name).cloned())).await?;
        let own = |_: &Auth, user: &User| match user.is_root() || Some(user) == found.as_ref() {
            true => Ok(()),
            false => Err(Refusal::PermissionDenied),
        };
        self.node.admit(&caller, own).map_err(status)?;
        let user = found.ok_or(Error::UserNotFound)?;
        Ok(Response::new(AuthUserGetResponse {
            header: Some(self.header_now()),
            roles: user.roles.into_iter().collect(),
        }))
    }

    async fn user_list(
        &self,
        request: Request<AuthUserListRequest>,
    ) -> Result<Response<AuthUserListResponse>, Status> {
        let users = |auth: &Auth| Ok(auth.users().map(str::to_owned).collect());
        let users = self.look(users).await?;
        self.is_root(&caller(&request))?;
        Ok(Response::new(AuthUserListResponse {
            header: Some(self.header_now()),
            users,
        }))
    }

    async fn user_delete(
        &self,
        request: Request<AuthUserDeleteRequest>,
    ) -> Result<Response<AuthUserDeleteResponse>, Status> {
        let caller = caller(&request);
        let name = request.into_inner().name;
        let command = Command::DeleteUser { name };
        let header = self.administer(caller, command).await?;
        Ok(Response::new(AuthUserDeleteResponse { header }))
    }

    async fn user_change_password(
        &self,
        request: Request<AuthUserChangePasswordRequest>,
    ) -> Result<Response<AuthUserChangePasswordResponse>, Status> {
        let caller = caller(&request);
        let request = request.into_inner();
        self.is_root(&caller)?;
        let password = match request.password.is_empty() {
            // It fits nothing.
            true => Bytes::new(),
            false => self.hashed(request.password).await?,
        };
        let name = request.name;
        let command = Command::ChangePassword { name, password };
        let header = self.administer(caller, command).await?;
        Ok(Response::new(AuthUserChangePasswordResponse { header }))
    }

    async fn user_grant_role(
        &self,
        request: Request<AuthUserGrantRoleRequest>,
    ) -> Result<Response<AuthUserGrantRoleResponse>, Status> {
        let caller = caller(&request);
        let AuthUserGrantRoleRequest { user, role } = request.into_inner();
        let command = Command::GrantRole { user, role };
        let header = self.administer(caller, command).await?;
        Ok(Response::new(AuthUserGrantRoleResponse { header }))
    }

    async fn user_revoke_role(
        &self,
        request: Request<AuthUserRevokeRoleRequest>,
    ) -> Result<Response<AuthUserRevokeRoleResponse>, Status> {
        let caller = caller(&request);
        let AuthUserRevokeRoleRequest { name, role } = request.into_inner();
        let command = Command::RevokeRole { user: name, role };
        let header = self.administer(caller, command).await?;
        Ok(Response::new(AuthUserRevokeRoleResponse { header }))
    }

    async fn role_add(
        &self,
        request: Request<AuthRoleAddRequest>,
    ) -> Result<Response<AuthRoleAddResponse>, Status> {
        let caller = caller(&request);
        let name = request.into_inner().name;
        let header = self.administer(caller, Command::AddRole { name }).await?;
        Ok(Response::new(AuthRoleAddResponse { header }))
    }

    async fn role_get(
        &self,
        request: Request<AuthRoleGetRequest>,
    ) -> Result<Response<AuthRoleGetResponse>, Status> {
        let caller = caller(&request);
        let name = request.into_inner().role;
        let found = self.look(|auth| Ok(auth.role(&name).cloned())).await?;
        let own = |_: &Auth, user: &User| match user.is_root() || user.roles.contains(&name) {
            true => Ok(()),
            false => Err(Refusal::PermissionDenied),
        };
        self.node.admit(&caller, own).map_err(status)?;
        let role = found.ok_or(Error::RoleNotFound)?;
        let perm = match name == ROOT {
            true => vec![shown(&of_root())],
            false => role.permissions().map(shown).collect(),
        };
        Ok(Response::new(AuthRoleGetResponse {
            header: Some(self.header_now()),
            perm,
        }))
    }

    async fn role_list(
        &self,
        request: Request<AuthRoleListRequest>,
    ) -> Result<Response<AuthRoleListResponse>, Status> {
        let roles = |auth: &Auth| Ok(auth.roles().map(str::to_owned).collect());
        let roles = self.look(roles).await?;
        self.is_root(&caller(&request))?;
        Ok(Response::new(AuthRoleListResponse {
            header: Some(self.header_now()),
            roles,
        }))
    }

    async fn role_delete(
        &self,
        request: Request<AuthRoleDeleteRequest>,
    ) -> Result<Response<AuthRoleDeleteResponse>, Status> {
        let caller = caller(&request);
        let name = request.into_inner().role;
        let command = Command::DeleteRole { name };
        let header = self.administer(caller, command).await?;
        Ok(Response::new(AuthRoleDeleteResponse { header }))
    }

    async fn role_grant_permission(
        &self,
        request: Request<AuthRoleGrantPermissionRequest>,
    ) -> Result<Response<AuthRoleGrantPermissionResponse>, Status> {
        let caller = caller(&request);
        let AuthRoleGrantPermissionRequest { name, perm } = request.into_inner();
        let perm = perm.ok_or(Error::PermissionNotGiven)?;
        let kind = authpb::permission::Type::try_from(perm.perm_type);
        let (read, write) = match kind {
            Ok(authpb::permission::Type::Read) => (true, false),
            Ok(authpb::permission::Type::Write) => (false, true),
            Ok(authpb::permission::Type::Readwrite) => (true, true),
            Err(_) => return Err(refused(Rejection::Auth(Refusal::InvalidManagement))),
        };
        let permission = Permission {
            keys: keys(perm.key, perm.range_end),
            read,
            write,
        };
        let role = name;
        let command = Command::GrantPermission { role, permission };
        let header = self.administer(caller, command).await?;
        Ok(Response::new(AuthRoleGrantPermissionResponse { header }))
    }

    async fn role_revoke_permission(
        &self,
        request: Request<AuthRoleRevokePermissionRequest>,
    ) -> Result<Response<AuthRoleRevokePermissionResponse>, Status> {
        let caller = caller(&request);
        let AuthRoleRevokePermissionRequest {
            role,
            key,
            range_end,
        } = request.into_inner();
        let keys = keys(key, range_end);
        let command = Command::RevokePermission { role, keys };
        let header = self.administer(caller, command).await?;
        Ok(Response::new(AuthRoleRevokePermissionResponse { header }))
    }
}
