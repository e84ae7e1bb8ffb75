//! The audit log of the API server: who asked it for what, so that a test can count writes where they arrive.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// The policy: every request, without bodies, once when it arrives and once when it is answered.
pub(super) const POLICY: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy",
 "omitStages": ["ResponseStarted"], "rules": [{"level": "Metadata"}]}"#;

/// The audit log (JSON lines).
#[derive(Clone, Debug)]
pub struct Audit {
    path: PathBuf,
}

/// A place in the audit log: everything before it has already been seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark(u64);

/// One request to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The user, such as `system:serviceaccount:<namespace>:<name>`.
    pub user: String,
    /// The client's user agent.
    pub user_agent: String,
    /// API group, empty for the core group.
    pub group: String,
    /// Plural of the resource; empty for a path without one, such as `/readyz`.
    pub resource: String,
    /// Subresource or empty.
    pub subresource: String,
    /// Namespace or empty.
    pub namespace: String,
    /// Name or empty.
    pub name: String,
    /// Path and query.
    pub uri: String,
    /// Status of the answer; nothing while it is under way.
    pub code: Option<u16>,
}

impl Request {
    /// Whether it asks for a change. A review of access or of a token is a question, though it is a `create`.
    pub fn is_write(&self) -> bool {
        let changes = matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection"
        );
        changes
            && !self.resource.ends_with("reviews")
            && !(self.resource == "serviceaccounts" && self.subresource == "token")
    }

    /// Whether it concerns a Lease (a leader election writes all the time).
    pub fn is_lease(&self) -> bool {
        self.group == "coordination.k8s.io" && self.resource == "leases"
    }
}

impl Audit {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The end of the log as it is now. A request that was answered before this call lies before it.
    pub fn mark(&self) -> Result<Mark> {
        let metadata = std::fs::metadata(&self.path)
            .with_context(|| format!("failed to see {}", self.path.display()))?;
        Ok(Mark(metadata.len()))
    }

    /// The requests that arrived after `mark`, in order of arrival.
    ///
    /// The server writes a request's arrival before it handles it, so a client that has its answer finds the
    /// request here; the answer's status may follow a moment later.
    pub fn requests_since(&self, mark: Mark) -> Result<Vec<Request>> {
        let mut file = File::open(&self.path)
            .with_context(|| format!("failed to open {}", self.path.display()))?;
        file.seek(SeekFrom::Start(mark.0))?;
        let mut text = String::new();
        file.read_to_string(&mut text)
            .with_context(|| format!("failed to read {}", self.path.display()))?;
        // A last line without its end is still being written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        fold(whole)
    }

    /// The writes after `mark` that `wanted` accepts; what a test of idleness counts.
    pub fn writes_since(
        &self,
        mark: Mark,
        wanted: impl Fn(&Request) -> bool,
    ) -> Result<Vec<Request>> {
        let requests = self.requests_since(mark)?;
        Ok(requests
            .into_iter()
            .filter(|request| request.is_write() && wanted(request))
            .collect())
    }
}

fn fold(lines: &str) -> Result<Vec<Request>> {
    let mut requests: Vec<Request> = Vec::new();
    let mut arrived: HashMap<String, usize> = HashMap::new();
    for line in lines.lines() {
        let event: Event = serde_json::from_str(line)
            .with_context(|| format!("bad line in the audit log: {line}"))?;
        let code = event
            .response_status
            .as_ref()
            .and_then(|status| status.code);
        let id = event.audit_id.clone();
        if event.stage == "RequestReceived" {
            arrived.insert(id, requests.len());
            requests.push(event.into());
        } else if let Some(request) = arrived.get(&id).and_then(|index| requests.get_mut(*index)) {
            request.code = code;
        }
    }
    Ok(requests)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectRef,
    response_status: Option<Status>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    resource: String,
    namespace: String,
    name: String,
    api_group: String,
    subresource: String,
}

#[derive(Deserialize)]
struct Status {
    code: Option<u16>,
}

impl From<Event> for Request {
    fn from(event: Event) -> Self {
        Self {
            verb: event.verb,
            user: event.user.username,
            user_agent: event.user_agent,
            group: event.object_ref.api_group,
            resource: event.object_ref.resource,
            subresource: event.object_ref.subresource,
            namespace: event.object_ref.namespace,
            name: event.object_ref.name,
            uri: event.request_uri,
            code: None,
        }
    }
}
