//! The project's own image: both programs and the command line on a small base with glibc.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::base;
use super::buildah::Store;
use super::shell::run;
use crate::tools::Cache;

/// Name of the image in the nodes.
pub const PROJECT_IMAGE: &str = "localhost/kluster:dev";
/// Its other name, which the chart asks for unless told otherwise: its `appVersion` is the version of the workspace.
pub const PROJECT_IMAGE_OF_CHART: &str = concat!("localhost/kluster:", env!("CARGO_PKG_VERSION"));
/// The programs in it, in `/usr/local/bin`.
const PROGRAMS: &[&str] = &["kluster-operator", "kluster-node", "klusterctl"];
/// What to build the image from.
#[derive(Clone, Debug)]
pub struct ProjectImage {
    /// Folder of the built programs.
    pub programs: PathBuf,
    /// An image with glibc to build on (the Containerfile's `BASE`); nothing for one made of Debian packages.
    pub base: Option<String>,
}

/// A built image.
#[derive(Clone, Debug)]
pub struct Built {
    /// The image's names.
    pub names: [&'static str; 2],
    /// An archive of each name, ready to be loaded.
    pub archives: [PathBuf; 2],
    /// The size of one, which is that of the image (archives of this kind are not compressed).
    pub bytes: u64,
}

impl ProjectImage {
    /// Builds the image into the cache.
    pub fn build(&self, cache: &Cache) -> Result<Built> {
        let context = tempfile::tempdir().context("failed to create a temporary folder")?;
        let bin = context.path().join("bin");
        std::fs::create_dir(&bin).context("failed to prepare the image")?;
        for name in PROGRAMS {
            let source = self.programs.join(name);
            ensure!(
                source.exists(),
                "{} is missing: build it first (cargo build)",
                source.display()
            );
            run(
                "strip",
                [
                    "-o".as_ref(),
                    bin.join(name).as_os_str(),
                    source.as_os_str(),
                ],
            )?;
        }
        let store = Store::new()?;
        let base = match &self.base {
            Some(base) => base.clone(),
            None => build_base(cache, &store)?,
        };
        let folder = cache.folder("images")?;
        let names = [PROJECT_IMAGE, PROJECT_IMAGE_OF_CHART];
        let archives = ["dev", "chart"].map(|tag| folder.join(format!("kluster-{tag}.tar")));
        let containerfile = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Containerfile");
        store.build(
            &containerfile,
            context.path(),
            &[format!("BASE={base}")],
            PROJECT_IMAGE,
        )?;
        store.tag(PROJECT_IMAGE, PROJECT_IMAGE_OF_CHART)?;
        let mut bytes = 0;
        for (name, archive) in names.iter().zip(&archives) {
            store.archive(name, archive)?;
            let written = std::fs::metadata(archive).context("failed to see the built image")?;
            bytes = written.len();
        }
        Ok(Built {
            names,
            archives,
            bytes,
        })
    }
}

/// Puts an image with glibc, made of Debian packages, into `store` and gives back its name.
fn build_base(cache: &Cache, store: &Store) -> Result<String> {
    let context = tempfile::tempdir().context("failed to create a temporary folder")?;
    base::write(cache, &context.path().join("root"))?;
    let name = "localhost/kluster-base:1";
    store.build_from_scratch(context.path(), "COPY root/ /", name)?;
    Ok(name.to_owned())
}
