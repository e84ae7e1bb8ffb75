//! The project's own image: both programs and the command line on a small base with glibc.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::shell::run;
use super::{base, images};
use crate::tools::Cache;

/// Name of the image in the nodes.
pub const PROJECT_IMAGE: &str = "localhost/kluster:dev";
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
    /// The archive, ready to be loaded.
    pub archive: PathBuf,
    /// Its size, which is that of the image (archives of this kind are not compressed).
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
        let mut args = Vec::new();
        match &self.base {
            Some(base) => {
                std::fs::create_dir(context.path().join("base"))
                    .context("failed to prepare the image")?;
                args.push(format!("BASE={base}"));
            }
            None => base::write(cache, &context.path().join("base"))?,
        }
        let archive = cache.folder("images")?.join("kluster-dev.tar");
        let containerfile = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Containerfile");
        images::build(
            &containerfile,
            context.path(),
            &args,
            PROJECT_IMAGE,
            &archive,
        )?;
        let bytes = std::fs::metadata(&archive)
            .context("failed to see the built image")?
            .len();
        Ok(Built { archive, bytes })
    }
}
