//! A pod's volumes as folders of this machine.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, DownwardAPIVolumeFile, KeyToPath, PersistentVolumeClaim, Secret, ServiceAccount,
    ServiceAccountTokenProjection, Volume, VolumeProjection,
};
use kube::Api;
use kube::api::PostParams;

use super::containers::Wanted;
use super::environment::downward;
use super::shared::Shared;

/// Contents of a volume: file names below it, and their bytes.
type Contents = BTreeMap<String, Vec<u8>>;

/// Mode of files that name none.
const FILE_MODE: i32 = 0o644;
/// Lifetime of a token that names none, in seconds.
const TOKEN_SECONDS: i64 = 3_600;

/// Where a volume lies.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub folder: PathBuf,
    pub read_only: bool,
}

/// Makes all volumes of the pod, fresh but for what must outlive a restart, and says where they lie.
pub(super) async fn volumes(shared: &Shared, wanted: &Wanted) -> Result<BTreeMap<String, Source>> {
    let mut sources = BTreeMap::new();
    for volume in wanted.spec.volumes.iter().flatten() {
        let source = Maker { shared, wanted }
            .make(volume)
            .await
            .with_context(|| format!("failed to set up the volume {}", volume.name))?;
        sources.insert(volume.name.clone(), source);
    }
    Ok(sources)
}

struct Maker<'a> {
    shared: &'a Shared,
    wanted: &'a Wanted,
}

impl Maker<'_> {
    async fn make(&self, volume: &Volume) -> Result<Source> {
        let own = self
            .shared
            .pod_folder(&self.wanted.uid)
            .join("volumes")
            .join(&volume.name);
        if let Some(claim) = &volume.persistent_volume_claim {
            let folder = claimed_folder(self.shared, &claim.claim_name).await?;
            self.open_to_group(&folder, 0o755)?;
            return Ok(Source {
                folder,
                read_only: claim.read_only.unwrap_or(false),
            });
        }
        if volume.empty_dir.is_some() {
            self.open_to_group(&own, 0o777)?;
            return Ok(Source {
                folder: own,
                read_only: false,
            });
        }
        let (contents, mode) = self.contents(volume).await?;
        self.write(&own, contents, mode.unwrap_or(FILE_MODE))?;
        Ok(Source {
            folder: own,
            read_only: true,
        })
    }

    async fn contents(&self, volume: &Volume) -> Result<(Contents, Option<i32>)> {
        if let Some(map) = &volume.config_map {
            let found = self.config_map(&map.name, map.optional).await?;
            return Ok((choose(found, map.items.as_deref())?, map.default_mode));
        }
        if let Some(secret) = &volume.secret {
            let name = secret.secret_name.as_deref().unwrap_or_default();
            let found = self.secret(name, secret.optional).await?;
            return Ok((choose(found, secret.items.as_deref())?, secret.default_mode));
        }
        if let Some(fields) = &volume.downward_api {
            return Ok((self.fields(fields.items.as_deref())?, fields.default_mode));
        }
        if let Some(projected) = &volume.projected {
            let mut all = Contents::new();
            for part in projected.sources.iter().flatten() {
                all.extend(self.projection(part).await?);
            }
            return Ok((all, projected.default_mode));
        }
        bail!("the stand-in has no volumes of this kind")
    }

    async fn projection(&self, part: &VolumeProjection) -> Result<Contents> {
        if let Some(map) = &part.config_map {
            let found = self.config_map(&map.name, map.optional).await?;
            return choose(found, map.items.as_deref());
        }
        if let Some(secret) = &part.secret {
            let found = self.secret(&secret.name, secret.optional).await?;
            return choose(found, secret.items.as_deref());
        }
        if let Some(fields) = &part.downward_api {
            return self.fields(fields.items.as_deref());
        }
        if let Some(token) = &part.service_account_token {
            let text = self.token(token).await?;
            return Ok(Contents::from([(token.path.clone(), text.into_bytes())]));
        }
        bail!("the stand-in has no such source of a projected volume")
    }

    async fn config_map(&self, name: &str, optional: Option<bool>) -> Result<Contents> {
        let maps = Api::<ConfigMap>::namespaced(self.shared.client.clone(), &self.shared.namespace);
        let Some(map) = maps.get_opt(name).await? else {
            return absent("ConfigMap", name, optional);
        };
        let texts = map.data.unwrap_or_default().into_iter();
        let bytes = map.binary_data.unwrap_or_default().into_iter();
        let texts = texts.map(|(key, text)| (key, text.into_bytes()));
        Ok(texts.chain(bytes.map(|(key, b)| (key, b.0))).collect())
    }

    async fn secret(&self, name: &str, optional: Option<bool>) -> Result<Contents> {
        let secrets = Api::<Secret>::namespaced(self.shared.client.clone(), &self.shared.namespace);
        let Some(secret) = secrets.get_opt(name).await? else {
            return absent("Secret", name, optional);
        };
        let bytes = secret.data.unwrap_or_default().into_iter();
        Ok(bytes.map(|(key, bytes)| (key, bytes.0)).collect())
    }

    fn fields(&self, files: Option<&[DownwardAPIVolumeFile]>) -> Result<Contents> {
        let mut contents = Contents::new();
        for file in files.unwrap_or_default() {
            let field = file.field_ref.as_ref();
            let path = &field.context("the stand-in knows fields only")?.field_path;
            let value = downward(self.shared, &self.wanted.pod, path)?;
            contents.insert(file.path.clone(), value.into_bytes());
        }
        Ok(contents)
    }

    /// A token of the pod's ServiceAccount that names this very pod and dies with it.
    async fn token(&self, projection: &ServiceAccountTokenProjection) -> Result<String> {
        let client = self.shared.client.clone();
        let accounts = Api::<ServiceAccount>::namespaced(client, &self.shared.namespace);
        let account = self.wanted.spec.service_account_name.as_deref();
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: projection.audience.iter().cloned().collect(),
                expiration_seconds: projection.expiration_seconds.or(Some(TOKEN_SECONDS)),
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    name: Some(self.wanted.name.clone()),
                    uid: Some(self.wanted.uid.clone()),
                }),
            },
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(
                account.unwrap_or("default"),
                &PostParams::default(),
                &request,
            )
            .await?;
        let status = answer.status;
        Ok(status.context("the answer holds no token")?.token)
    }

    fn write(&self, folder: &Path, contents: Contents, mode: i32) -> Result<()> {
        self.open_to_group(folder, 0o755)?;
        let group = self.group()?;
        let readable_by_group = if group.is_some() { 0o040 } else { 0 };
        let mode = u32::try_from(mode)? | readable_by_group;
        for (name, bytes) in contents {
            let path = folder.join(&name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(&path, bytes)
                .and_then(|()| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)))
                .and_then(|()| chown(&path, self.owner(), group))
                .with_context(|| format!("failed to write {}", path.display()))?;
        }
        Ok(())
    }

    /// A folder of a volume: of the pod's volume group and writable by it, where there is one.
    fn open_to_group(&self, folder: &Path, mode: u32) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        let group = self.group()?;
        let mode = if group.is_some() {
            mode | 0o2_775
        } else {
            mode
        };
        std::fs::set_permissions(folder, PermissionsExt::from_mode(mode))?;
        chown(folder, None, group)
            .with_context(|| format!("failed to give away {}", folder.display()))
    }

    fn group(&self) -> Result<Option<u32>> {
        let group = self.wanted.user().volumes_group;
        Ok(group.map(u32::try_from).transpose()?)
    }

    /// A kubelet gives projected files to the user of the pod where the volumes have no group of their own.
    fn owner(&self) -> Option<u32> {
        let user = self.wanted.user();
        let owns = user.volumes_group.is_none();
        user.user
            .filter(|_| owns)
            .and_then(|user| user.try_into().ok())
    }
}

/// The folder of the volume that a claim is bound to.
pub(super) async fn claimed_folder(shared: &Shared, claim: &str) -> Result<PathBuf> {
    let claims = Api::<PersistentVolumeClaim>::namespaced(shared.client.clone(), &shared.namespace);
    let found = claims
        .get(claim)
        .await
        .with_context(|| format!("failed to get the claim {claim}"))?;
    let volume = found
        .spec
        .and_then(|spec| spec.volume_name)
        .with_context(|| format!("the claim {claim} is not bound"))?;
    Ok(shared.volume_folder(&volume))
}

fn absent(kind: &str, name: &str, optional: Option<bool>) -> Result<Contents> {
    if optional == Some(true) {
        return Ok(Contents::new());
    }
    bail!("{kind} {name} does not exist")
}

/// All keys, or those that `items` names, at the paths it gives them.
fn choose(mut found: Contents, items: Option<&[KeyToPath]>) -> Result<Contents> {
    let Some(items) = items else {
        return Ok(found);
    };
    let mut chosen = Contents::new();
    for item in items {
        let bytes = found
            .remove(&item.key)
            .with_context(|| format!("the key {} does not exist", item.key))?;
        chosen.insert(item.path.clone(), bytes);
    }
    Ok(chosen)
}
