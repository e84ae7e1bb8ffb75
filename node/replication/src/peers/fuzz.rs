//! Streams of any content: as frames, and as either end of a hello.

use bytes::BytesMut;
use node_host::Host;
use tokio::io::{join, sink};

use super::frame::{FrameReader, put};
use super::hello::{HELLO_BYTES_MAX, Party, answer, call};
use super::lane_kind::LaneKind;
use crate::config::ClusterKey;
use crate::identity::Identity;
use crate::ids::MemberId;

/// Reads `bytes` as a stream of frames: those that are read are, written again, the bytes they came from.
///
/// # Panics
/// A frame means something else once it was passed on.
pub async fn frames(bytes: &[u8]) {
    let mut reader = FrameReader::new(bytes, 1024);
    let mut again = BytesMut::new();
    while let Ok(Some(frame)) = reader.next().await {
        put(&mut again, frame.kind, frame.sequence, &frame.body);
    }
    assert!(bytes.starts_with(&again));
}

/// Gives `bytes` to both ends of a hello: neither believes who cannot know the cluster key.
///
/// # Panics
/// An end believed it.
pub async fn hello(bytes: &[u8]) {
    let identity = Identity::draw(&Host::real());
    let key = ClusterKey::new(vec![7; 32]).expect("the key is long enough");
    let me = || Party {
        identity: &identity,
        last_log: None,
        key: &key,
        nonce: [3; 32],
    };
    let stream = || FrameReader::new(join(bytes, sink()), HELLO_BYTES_MAX);
    let asked = call(&mut stream(), me(), LaneKind::Append, MemberId(1), |_| {
        Ok(())
    })
    .await;
    assert!(asked.is_err());
    assert!(answer(&mut stream(), &me()).await.is_err());
}
