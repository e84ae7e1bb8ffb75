//! Building the pinned tools into the cache, each once.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Program, Tool};

/// How often a long build says that it still runs.
const PROGRESS_EVERY: Duration = Duration::from_secs(30);

/// The folder outside the checkout that keeps what is expensive to make.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache at `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The cache that the environment names (see [`crate::environment`]).
    pub fn from_environment() -> Result<Self> {
        Ok(Self::at(crate::environment::cache()?))
    }

    /// A folder of the cache for things other than programs, created when missing.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.root.join(name);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("failed to create {}", folder.display()))?;
        Ok(folder)
    }

    /// Where the programs of `tool` are, whether built or not.
    pub fn programs(&self, tool: &Tool) -> PathBuf {
        self.root
            .join("bin")
            .join(format!("{}-{}", tool.name, tool.version))
    }

    /// Where one program is, whether built or not.
    pub fn program(&self, tool: &Tool, name: &str) -> PathBuf {
        self.programs(tool).join(name)
    }
}

/// Builds those of `programs` that the cache lacks. Two callers at once take turns; the second finds the work done.
pub fn ensure(cache: &Cache, tool: &Tool, programs: &[Program]) -> Result<()> {
    let missing = |program: &&Program| !cache.program(tool, program.name).exists();
    if !programs.iter().any(|program| missing(&program)) {
        return Ok(());
    }
    let folder = cache.programs(tool);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    let turn =
        File::create(folder.join(".lock")).context("failed to create the lock of a build")?;
    turn.lock().context("failed to wait for another build")?;
    for program in programs.iter().filter(missing) {
        build(tool, program, &cache.program(tool, program.name))?;
    }
    Ok(())
}

fn build(tool: &Tool, program: &Program, target: &Path) -> Result<()> {
    let name = format!("{} {} ({})", program.name, tool.version, tool.module);
    eprintln!(
        "building {name}: once, into {}; about {} s with a cold cache on two cores",
        target.display(),
        program.cold_build_seconds
    );
    let start = Instant::now();
    let partial = target.with_extension("partial");
    run(tool, program, &partial).with_context(|| format!("failed to build {name}"))?;
    std::fs::rename(&partial, target)
        .with_context(|| format!("failed to keep {}", target.display()))?;
    eprintln!("built {name} in {} s", start.elapsed().as_secs());
    Ok(())
}

fn run(tool: &Tool, program: &Program, output: &Path) -> Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tools")
        .join(tool.name);
    let mut child = Command::new("nice")
        .args([
            "-n",
            "5",
            "go",
            "build",
            "-trimpath",
            "-tags",
            tool.tags,
            "-ldflags",
        ])
        .arg(format!("-s -w {}", tool.ldflags))
        .arg("-o")
        .arg(output)
        .arg(program.package)
        .current_dir(source)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-buildvcs=false")
        .stdin(Stdio::null())
        .spawn()
        .context("failed to run go (Go 1.26 or later must be in the PATH)")?;
    let start = Instant::now();
    let mut told = Duration::ZERO;
    let status = loop {
        if let Some(status) = child.try_wait().context("failed to wait for go")? {
            break status;
        }
        if start.elapsed() >= told + PROGRESS_EVERY {
            told = start.elapsed();
            eprintln!("  still building {} ({} s)", program.name, told.as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    if !status.success() {
        bail!("go build ended with {status}");
    }
    Ok(())
}
