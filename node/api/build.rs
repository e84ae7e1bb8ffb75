//! Generates the admin protocol's types, client and server from its protobuf file, with a protoc that comes as a package.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut config = tonic_prost_build::Config::new();
    config.protoc_executable(protoc_bin_vendored::protoc_bin_path()?);
    config.bytes(["."]);
    tonic_prost_build::configure().compile_with_config(
        config,
        &["proto/kluster/admin/v1/admin.proto"],
        &["proto"],
    )?;
    Ok(())
}
