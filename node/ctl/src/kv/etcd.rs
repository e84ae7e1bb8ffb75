//! A client of etcd's API: where it is served, with which certificates, and as whom.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::AuthenticateRequest;
use node_api::etcd::etcdserverpb::auth_client::AuthClient;
use node_api::etcd::etcdserverpb::kv_client::KvClient;
use node_api::etcd::etcdserverpb::lease_client::LeaseClient;
use node_api::etcd::etcdserverpb::maintenance_client::MaintenanceClient;
use tokio::time::{Instant, sleep};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Response, Status};

/// Time for a connection to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A connection whose other end does not answer for so long is closed.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How long a call is repeated that was not carried out for a reason that passes.
const REPEAT_WITHIN: Duration = Duration::from_secs(30);
const REPEAT_EVERY: Duration = Duration::from_millis(200);
/// The longest message that is taken: a server sends parts of some MiB.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Where to, and as whom.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Endpoints, of which the first that answers is used.
    pub endpoints: Vec<String>,
    /// The authorities of the server's certificate.
    pub ca_file: Option<PathBuf>,
    /// The certificate that is shown, and its key.
    pub identity_files: Option<(PathBuf, PathBuf)>,
    /// Name and password.
    pub user: Option<(String, String)>,
}

type Service = InterceptedService<Channel, Token>;

/// The clients of one server.
#[derive(Clone)]
pub struct Etcd {
    endpoint: String,
    service: Service,
}

/// Adds the token to each request, where there is one.
#[derive(Clone, Default)]
pub struct Token(Option<MetadataValue<Ascii>>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("token", token.clone());
        }
        Ok(request)
    }
}

impl Access {
    async fn connect_to(&self, address: &str) -> Result<Channel> {
        let secure = match address.split_once("://") {
            Some((scheme, _)) => scheme == "https",
            None => self.ca_file.is_some(),
        };
        let scheme = if secure { "https" } else { "http" };
        let url = match address.contains("://") {
            true => address.to_owned(),
            false => format!("{scheme}://{address}"),
        };
        let mut endpoint = Endpoint::from_shared(url)
            .with_context(|| format!("{address:?} is no endpoint"))?
            .connect_timeout(CONNECT_WITHIN)
            .keep_alive_timeout(KEEP_ALIVE)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .tcp_nodelay(true);
        if secure {
            let tls = self.tls(address)?;
            let configured = endpoint.tls_config(tls);
            endpoint = configured.context("the certificates or their key cannot be used")?;
        }
        let connected = endpoint.connect().await;
        connected.with_context(|| format!("failed to connect to {address}"))
    }

    fn tls(&self, address: &str) -> Result<ClientTlsConfig> {
        let read = |path: &PathBuf| {
            std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))
        };
        let Some(ca_file) = &self.ca_file else {
            bail!(
                "{address} is asked for with TLS: name the file of its authority (a cacert option)"
            );
        };
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca_file)?));
        Ok(match &self.identity_files {
            Some((certificate, key)) => {
                tls.identity(Identity::from_pem(read(certificate)?, read(key)?))
            }
            None => tls,
        })
    }
}

impl Etcd {
    /// Connects to the first endpoint that answers, and says who asks.
    ///
    /// # Errors
    /// When none answers, or the password does not fit.
    pub async fn connect(access: &Access) -> Result<Etcd> {
        let mut failures = Vec::new();
        for endpoint in &access.endpoints {
            match access.connect_to(endpoint).await {
                Ok(channel) => {
                    let token = token(&channel, access).await?;
                    return Ok(Etcd {
                        endpoint: endpoint.clone(),
                        service: InterceptedService::new(channel, token),
                    });
                }
                Err(error) => failures.push(format!("{error:#}")),
            }
        }
        Err(anyhow!("{}", failures.join("; ")))
    }

    /// The endpoint that answered.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The service of keys.
    pub fn kv(&self) -> KvClient<Service> {
        KvClient::new(self.service.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The service of leases.
    pub fn lease(&self) -> LeaseClient<Service> {
        LeaseClient::new(self.service.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The service of users and roles.
    pub fn auth(&self) -> AuthClient<Service> {
        AuthClient::new(self.service.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The service for whoever looks after a member.
    pub fn maintenance(&self) -> MaintenanceClient<Service> {
        MaintenanceClient::new(self.service.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}

async fn token(channel: &Channel, access: &Access) -> Result<Token> {
    let Some((name, password)) = access.user.clone() else {
        return Ok(Token::default());
    };
    let request = AuthenticateRequest { name, password };
    match AuthClient::new(channel.clone()).authenticate(request).await {
        Ok(answer) => {
            let token = answer.into_inner().token.parse();
            Ok(Token(Some(token.context("the token is malformed")?)))
        }
        // It serves everyone.
        Err(status) if is(&status, Error::AuthNotEnabled) => Ok(Token::default()),
        Err(status) => Err(said(status)),
    }
}

/// Whether the server refused with this error.
pub fn is(status: &Status, error: Error) -> bool {
    status.message() == error.message()
}

/// What the server said, or why nothing was heard of it, with what to do then.
pub fn said(status: Status) -> anyhow::Error {
    let advice = match &status {
        status if is(status, Error::UserEmpty) || is(status, Error::PermissionDenied) => {
            " (name a user who may do everything, such as root: a user option)"
        }
        status if is(status, Error::NoSpace) => {
            " (give the nodes a larger quota, end the alarm with `etcdctl alarm disarm`, and run this again)"
        }
        _ => "",
    };
    let text = format!("{}{advice}", status.message());
    let mut cause = std::error::Error::source(&status);
    let mut text = match text.is_empty() {
        true => status.code().description().to_owned(),
        false => text,
    };
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    anyhow!(text)
}

/// Calls until it is carried out, or refused for a reason that does not pass by itself; not without end. The call may then have
/// been carried out twice.
///
/// # Errors
/// With the server's last word.
pub async fn patiently<T>(
    call: impl AsyncFn() -> Result<Response<T>, Status>,
) -> Result<T, Status> {
    let begun = Instant::now();
    loop {
        match call().await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) if passes(&status) && begun.elapsed() < REPEAT_WITHIN => {
                sleep(REPEAT_EVERY).await;
            }
            Err(status) => return Err(status),
        }
    }
}

fn passes(status: &Status) -> bool {
    // What has a cause did not come from the server: the connection broke.
    let broke = std::error::Error::source(status).is_some();
    broke || status.code() == Code::Unavailable || is(status, Error::RequestTooManyRequests)
}
