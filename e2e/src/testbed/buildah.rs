//! Building images with buildah, in a store that is thrown away: neither a daemon nor a person's own images are needed.

use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::shell::run;

/// A store of images that is removed when dropped.
pub struct Store {
    folder: TempDir,
}

impl Store {
    /// An empty store.
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir().context("failed to create a temporary folder")?;
        Ok(Self { folder })
    }

    /// Builds `containerfile` over `context` with build arguments (`NAME=value`) and calls the image `name`.
    ///
    /// An image of the store that the file builds on is not looked for anywhere else.
    pub fn build(
        &self,
        containerfile: &Path,
        context: &Path,
        args: &[String],
        name: &str,
    ) -> Result<()> {
        let mut all = vec![
            "bud".to_owned(),
            "--isolation=chroot".to_owned(),
            "--quiet".to_owned(),
        ];
        all.extend(args.iter().map(|arg| format!("--build-arg={arg}")));
        all.push(format!("--tag={name}"));
        all.push(format!("--file={}", containerfile.display()));
        all.push(context.display().to_string());
        self.buildah(all)
            .with_context(|| format!("failed to build the image {name}"))
    }

    /// Builds an image from nothing but what `context` holds and the lines of `instructions` after `FROM scratch`.
    pub fn build_from_scratch(&self, context: &Path, instructions: &str, name: &str) -> Result<()> {
        let containerfile = self.folder.path().join("Containerfile");
        std::fs::write(&containerfile, format!("FROM scratch\n{instructions}\n"))
            .context("failed to write a Containerfile")?;
        self.build(&containerfile, context, &[], name)
    }

    /// Gives the image `name` another name too.
    pub fn tag(&self, name: &str, other: &str) -> Result<()> {
        self.buildah(vec!["tag".to_owned(), name.to_owned(), other.to_owned()])
            .with_context(|| format!("failed to call the image {name} also {other}"))
    }

    /// Writes the image `name` as a docker archive to `target`, which is never seen half-written.
    pub fn archive(&self, name: &str, target: &Path) -> Result<()> {
        let partial = target.with_extension("partial");
        // buildah does not write over an archive.
        if partial.exists() {
            std::fs::remove_file(&partial)
                .with_context(|| format!("failed to remove {}", partial.display()))?;
        }
        let destination = format!("docker-archive:{}:{name}", partial.display());
        self.buildah(vec![
            "push".to_owned(),
            "--quiet".to_owned(),
            name.to_owned(),
            destination,
        ])
        .with_context(|| format!("failed to write the image {name}"))?;
        std::fs::rename(&partial, target)
            .with_context(|| format!("failed to keep {}", target.display()))
    }

    fn buildah(&self, args: Vec<String>) -> Result<()> {
        let mut all = vec![
            format!("--root={}", self.folder.path().join("root").display()),
            format!("--runroot={}", self.folder.path().join("run").display()),
            "--storage-driver=vfs".to_owned(),
        ];
        all.extend(args);
        run("buildah", all).map(drop)
    }
}
