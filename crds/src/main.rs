//! Writes the custom resource definitions into the folders that hold them.

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifests = crds::manifests::all().map_err(io::Error::other)?;
    for folder in crds::manifests::FOLDERS {
        fs::create_dir_all(top.join(folder))?;
        for manifest in &manifests {
            fs::write(top.join(folder).join(&manifest.file), &manifest.yaml)?;
            println!("{folder}/{} {} bytes", manifest.file, manifest.yaml.len());
        }
    }
    Ok(())
}
