//! Generates the protocols' types, clients and servers from their protobuf files, with a protoc that comes as a package.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let protocols = [
        (
            "proto/kluster/admin/v1/admin.proto",
            "tonic_prost::ProstCodec",
        ),
        (
            "proto/kluster/data/v1/data.proto",
            "crate::codec::BoundedCodec",
        ),
    ];
    for (file, codec) in protocols {
        let mut config = tonic_prost_build::Config::new();
        config.protoc_executable(protoc_bin_vendored::protoc_bin_path()?);
        config.bytes(["."]);
        tonic_prost_build::configure()
            .codec_path(codec)
            .compile_with_config(config, &[file], &["proto"])?;
    }
    Ok(())
}
