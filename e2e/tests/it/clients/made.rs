//! How the client of each language is made of its sources. What is fetched for that is pinned, and kept outside the checkout.

use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use e2e::environment;
use e2e::tools::{Cache, debian};

/// A client that can be run; the URLs of the servers are to be its last argument.
pub struct Client {
    /// The program and its first arguments.
    pub command: Vec<OsString>,
    /// Variables that it needs.
    pub environment: Vec<(&'static str, OsString)>,
}

fn sources(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("peers")
        .join(language)
}

/// Go's clientv3, with the packages that come with it.
pub fn go(into: &Path) -> Client {
    let program = into.join("client");
    let mut build = Command::new("go");
    build.args(["build", "-trimpath", "-o"]).arg(&program);
    // As the tools are built, so that what both need is built once.
    build
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-buildvcs=false -mod=readonly");
    succeed(build.arg(".").current_dir(sources("go")));
    Client {
        command: vec![program.into()],
        environment: Vec::new(),
    }
}

/// The crate etcd-client.
pub fn rust(_: &Path) -> Client {
    let target = environment::programs().unwrap().with_file_name("peers");
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet", "--locked", "--target-dir"]);
    // The crate generates its code with protoc.
    build
        .arg(&target)
        .env("PROTOC", protoc_bin_vendored::protoc_bin_path().unwrap());
    succeed(build.current_dir(sources("rust")));
    Client {
        command: vec![target.join("debug/client").into()],
        environment: Vec::new(),
    }
}

/// etcd3, aetcd and etcd3gw.
pub fn python(_: &Path) -> Client {
    let sources = sources("python");
    let python = match runs("python3", &["-m", "pip", "--version"]) {
        true => "python3",
        false => {
            debian::ensure(&[("python3-pip", "/usr/bin/pip3")]).unwrap();
            "/usr/bin/python3"
        }
    };
    let pins = sources.join("requirements.txt");
    let packages = kept("etcd-clients-python", &pins, |into| {
        let mut install = Command::new(python);
        install.args(["-m", "pip", "install", "--quiet", "--no-input"]);
        install.args(["--require-hashes", "--target"]).arg(into);
        install.arg("--requirement").arg(&pins);
        // Of etcd3 there are only sources, and no hash of what builds them can be given.
        succeed(install.env("PIP_CONSTRAINT", sources.join("build-constraints.txt")));
    });
    Client {
        command: vec![python.into(), sources.join("client.py").into()],
        environment: vec![("PYTHONPATH", packages.into())],
    }
}

/// jetcd.
pub fn java(into: &Path) -> Client {
    let sources = sources("java");
    if !runs("javac", &["-version"]) {
        debian::ensure(&[("default-jdk-headless", "/usr/bin/javac")]).unwrap();
    }
    let pins = sources.join("jars.txt");
    let jars = kept("etcd-clients-java", &pins, |into| {
        let mut fetch = Command::new("java");
        succeed(fetch.arg(sources.join("Fetch.java")).arg(&pins).arg(into));
    });
    let jars = jars.join("*");
    let mut build = Command::new("javac");
    build.arg("-cp").arg(&jars).arg("-d").arg(into);
    succeed(build.arg(sources.join("Client.java")));
    let mut classes = jars.into_os_string();
    classes.push(":");
    classes.push(into);
    let flags = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"];
    let mut command: Vec<OsString> = flags.map(OsString::from).into();
    command.extend([classes, "Client".into()]);
    Client {
        command,
        environment: Vec::new(),
    }
}

/// A folder of the cache with what the pins name. It is filled once; two callers at once take turns.
fn kept(name: &str, pins: &Path, fill: impl FnOnce(&Path)) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    fs::read(pins).unwrap().hash(&mut hasher);
    let programs = Cache::from_environment().unwrap().folder("bin").unwrap();
    let folder = programs.join(format!("{name}-{:016x}", hasher.finish()));
    let turn = File::create(folder.with_extension("lock")).unwrap();
    turn.lock().unwrap();
    if !folder.exists() {
        eprintln!("fetching once, into {}", folder.display());
        let partial = folder.with_extension("partial");
        if partial.exists() {
            fs::remove_dir_all(&partial).unwrap();
        }
        fs::create_dir(&partial).unwrap();
        fill(&partial);
        fs::rename(&partial, &folder).unwrap();
    }
    folder
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

fn succeed(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("failed to run {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
