//! Generates the protocols' types, clients and servers from their protobuf files, with a protoc that comes as a package.

use std::error::Error;
use std::path::PathBuf;

/// Files that are compiled together, the codec of their services, and the file that describes them, where one is wanted.
struct Protocol {
    files: &'static [&'static str],
    codec: &'static str,
    description: Option<&'static str>,
}

const PROTOCOLS: [Protocol; 3] = [
    Protocol {
        files: &["proto/kluster/admin/v1/admin.proto"],
        codec: "tonic_prost::ProstCodec",
        description: None,
    },
    Protocol {
        files: &["proto/kluster/data/v1/data.proto"],
        codec: "crate::codec::BoundedCodec",
        description: None,
    },
    Protocol {
        files: &[
            "proto/etcd/api/etcdserverpb/rpc.proto",
            "proto/etcd/server/v3electionpb/v3election.proto",
            "proto/etcd/server/v3lockpb/v3lock.proto",
        ],
        codec: "tonic_prost::ProstCodec",
        description: Some("etcd.bin"),
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    for Protocol {
        files,
        codec,
        description,
    } in PROTOCOLS
    {
        let mut config = tonic_prost_build::Config::new();
        config.protoc_executable(protoc_bin_vendored::protoc_bin_path()?);
        config.bytes(["."]);
        if let Some(name) = description {
            config.file_descriptor_set_path(out.join(name));
        }
        tonic_prost_build::configure()
            .codec_path(codec)
            .compile_with_config(config, files, &["proto"])?;
    }
    Ok(())
}
