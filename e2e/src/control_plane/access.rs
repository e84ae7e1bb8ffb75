//! Clients of a control plane: as the administrator, and as a ServiceAccount, whose rights RBAC then limits.

use std::path::PathBuf;

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use kube::{Client, Config};

use super::ControlPlane;
use crate::kubeconfig::{self, Credential};

/// What a program needs to speak to the API server as a ServiceAccount.
#[derive(Clone, Debug)]
pub struct ServiceAccountAccess {
    /// The token, valid for an hour; it names the ServiceAccount and no pod.
    pub token: String,
    /// A kubeconfig file with that token.
    pub kubeconfig: PathBuf,
}

impl ControlPlane {
    /// The configuration of a client that may do everything (group `system:masters`).
    pub async fn config(&self) -> Result<Config> {
        kubeconfig::load(self.kubeconfig()).await
    }

    /// A client that may do everything.
    pub async fn client(&self) -> Result<Client> {
        Client::try_from(self.config().await?).context("failed to make a client")
    }

    /// Has the API server sign a token for an existing ServiceAccount.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> Result<String> {
        let wanted = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(3_600),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let accounts = Api::<ServiceAccount>::namespaced(self.client().await?, namespace);
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &wanted)
            .await
            .with_context(|| {
                format!("failed to get a token for ServiceAccount {namespace}/{name}")
            })?;
        Ok(answer
            .status
            .context("the API server answered a token request without a token")?
            .token)
    }

    /// A token for an existing ServiceAccount and a kubeconfig file that uses it (for a child process).
    pub async fn service_account(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<ServiceAccountAccess> {
        let token = self.service_account_token(namespace, name).await?;
        let kubeconfig = self.folder().join(format!("{namespace}.{name}.kubeconfig"));
        let credential = Credential::Token(token.clone());
        kubeconfig::write(&kubeconfig, self.url(), self.authority(), &credential)?;
        Ok(ServiceAccountAccess { token, kubeconfig })
    }

    /// A client's configuration as an existing ServiceAccount.
    pub async fn config_as(&self, namespace: &str, name: &str) -> Result<Config> {
        kubeconfig::load(&self.service_account(namespace, name).await?.kubeconfig).await
    }
}
