//! Generates the protocols' types, clients and servers from their protobuf files, with a protoc that comes as a package.

use std::error::Error;

/// Files that are compiled together, and the codec of their services.
struct Protocol {
    files: &'static [&'static str],
    codec: &'static str,
}

const PROTOCOLS: [Protocol; 3] = [
    Protocol {
        files: &["proto/kluster/admin/v1/admin.proto"],
        codec: "tonic_prost::ProstCodec",
    },
    Protocol {
        files: &["proto/kluster/data/v1/data.proto"],
        codec: "crate::codec::BoundedCodec",
    },
    Protocol {
        files: &[
            "proto/etcd/api/etcdserverpb/rpc.proto",
            "proto/etcd/server/v3electionpb/v3election.proto",
            "proto/etcd/server/v3lockpb/v3lock.proto",
        ],
        codec: "tonic_prost::ProstCodec",
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    for Protocol { files, codec } in PROTOCOLS {
        let mut config = tonic_prost_build::Config::new();
        config.protoc_executable(protoc_bin_vendored::protoc_bin_path()?);
        config.bytes(["."]);
        tonic_prost_build::configure()
            .codec_path(codec)
            .compile_with_config(config, files, &["proto"])?;
    }
    Ok(())
}
