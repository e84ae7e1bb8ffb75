//! An identity is drawn once, and a damaged one is never taken for another.

use super::*;

fn folder() -> (Host, tempfile::TempDir) {
    (Host::real(), tempfile::tempdir().unwrap())
}

#[tokio::test]
async fn an_identity_is_drawn_once_and_read_back() {
    let (host, dir) = folder();
    let drawn = Identity::load_or_draw(&host, dir.path()).await.unwrap();
    assert_eq!(drawn.cluster, None);
    let mut read = Identity::load_or_draw(&host, dir.path()).await.unwrap();
    assert_eq!(
        (read.member, read.public_key()),
        (drawn.member, drawn.public_key())
    );
    read.cluster = Some(ClusterId([9; 16]));
    read.founding = true;
    read.store(&host, dir.path()).await.unwrap();
    let again = Identity::load_or_draw(&host, dir.path()).await.unwrap();
    assert_eq!(
        (again.cluster, again.founding),
        (Some(ClusterId([9; 16])), true)
    );
    assert_eq!(again.member, drawn.member);
}

#[tokio::test]
async fn every_damaged_byte_is_noticed() {
    let (host, dir) = folder();
    Identity::load_or_draw(&host, dir.path()).await.unwrap();
    let good = std::fs::read(dir.path().join(NAME)).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(Identity::decode(&bad).is_err(), "byte {at}");
        assert!(Identity::decode(&good[..at]).is_err(), "cut at {at}");
    }
    assert_eq!(Identity::decode(&good).unwrap().encode(), good);
}

#[tokio::test]
async fn a_format_from_the_future_is_named() {
    let (host, dir) = folder();
    Identity::load_or_draw(&host, dir.path()).await.unwrap();
    let mut bytes = std::fs::read(dir.path().join(NAME)).unwrap();
    bytes[5] = 2;
    std::fs::write(dir.path().join(NAME), bytes).unwrap();
    let error = Identity::load_or_draw(&host, dir.path()).await.unwrap_err();
    assert!(
        matches!(error, IdentityError::FromTheFuture { found: 2 }),
        "{error}"
    );
}

#[test]
fn only_the_owner_of_a_key_signs_for_it() {
    let (host, _dir) = folder();
    let (one, other) = (Identity::draw(&host), Identity::draw(&host));
    let signature = one.sign(b"hello");
    assert!(signed_by(&one.public_key(), b"hello", &signature));
    assert!(!signed_by(&one.public_key(), b"hullo", &signature));
    assert!(!signed_by(&other.public_key(), b"hello", &signature));
}
