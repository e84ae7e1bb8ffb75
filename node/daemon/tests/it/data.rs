//! Keys, through any node.

use bytes::Bytes;
use node_api::{Consistency, DataError, Encoded, WriteOptions};

use crate::cluster::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn a_write_through_any_node_is_read_through_every_other() {
    let cluster = Cluster::form(3).await;
    let mut clients: Vec<_> = cluster.nodes.iter().map(|node| node.data()).collect();
    for writer in 0..3 {
        let key = format!("from/{writer}");
        let value = Bytes::from(vec![writer as u8, 0, 0xff]);
        let put = clients[writer]
            .put(key.as_bytes(), value.clone(), &Default::default())
            .await
            .unwrap();
        for reader in &mut clients {
            let session = Consistency::Session(put.position.clone());
            for consistency in [Consistency::Linearizable, Consistency::Lease, session] {
                let found = reader
                    .get(key.as_bytes(), &consistency)
                    .await
                    .unwrap()
                    .unwrap();
                assert_eq!((found.value, found.revision), (value.clone(), put.revision));
            }
        }
    }
    let gone = clients[0]
        .delete(b"from/1", &Default::default())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        clients[1]
            .delete(b"from/1", &Default::default())
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        clients[2]
            .get(b"from/1", &Consistency::Session(gone.position))
            .await
            .unwrap(),
        None
    );
    cluster.until_digests_agree(&[0, 1, 2]).await;
    for reader in &mut clients {
        assert!(
            reader
                .get(b"from/2", &Consistency::Local)
                .await
                .unwrap()
                .is_some()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_values_are_any_bytes() {
    let cluster = Cluster::form(1).await;
    let mut data = cluster.nodes[0].data();
    let all: Vec<u8> = (0..=255).collect();
    for key in [
        &b"/"[..],
        b"a//b",
        b"..",
        b"?x=1&y#z",
        b"%2F",
        &all,
        &[0xff; 4096],
    ] {
        let value = Bytes::copy_from_slice(key);
        data.put(key, value.clone(), &Default::default())
            .await
            .unwrap();
        let found = data
            .get(key, &Consistency::Linearizable)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.value, value);
    }
    let large = Bytes::from(vec![7; 1 << 20]);
    data.put(b"large", large.clone(), &Default::default())
        .await
        .unwrap();
    data.put(b"empty", Bytes::new(), &Default::default())
        .await
        .unwrap();
    let get = async |data: &mut node_api::Data, key: &[u8]| {
        data.get(key, &Consistency::Linearizable)
            .await
            .unwrap()
            .unwrap()
            .value
    };
    assert_eq!(get(&mut data, b"large").await, large);
    assert_eq!(get(&mut data, b"empty").await, Bytes::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_goes_page_by_page_over_a_prefix() {
    let cluster = Cluster::form(1).await;
    let mut data = cluster.nodes[0].data();
    for number in 0..25 {
        let key = format!("list/{number:02}");
        data.put(
            key.as_bytes(),
            Bytes::from(key.clone()),
            &Default::default(),
        )
        .await
        .unwrap();
    }
    data.put(
        b"list/\xff",
        Bytes::from_static(b"\xfe"),
        &Default::default(),
    )
    .await
    .unwrap();
    data.put(b"lisu", Bytes::new(), &Default::default())
        .await
        .unwrap();
    let (mut keys, mut from) = (Vec::new(), None::<String>);
    loop {
        let page = data
            .list(b"list/", from.as_deref(), 10, &Consistency::Linearizable)
            .await
            .unwrap();
        assert!(page.items.len() <= 10);
        keys.extend(page.items);
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(keys.len(), 26);
    assert_eq!(keys[3].key, Encoded::Text("list/03".to_owned()));
    assert_eq!(keys[3].value, Encoded::Text("list/03".to_owned()));
    assert_eq!(keys[25].key.bytes().unwrap(), b"list/\xff");
    assert_eq!(keys[25].value, Encoded::Base64("/g==".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_makes_a_write_happen_once() {
    let cluster = Cluster::form(3).await;
    let named = WriteOptions {
        request_id: Some("order-17".to_owned()),
    };
    let first = cluster.nodes[0]
        .data()
        .put(b"k", "one".into(), &named)
        .await
        .unwrap();
    cluster.nodes[1]
        .data()
        .put(b"k", "two".into(), &Default::default())
        .await
        .unwrap();
    let again = cluster.nodes[2]
        .data()
        .put(b"k", "one".into(), &named)
        .await
        .unwrap();
    assert_eq!(first, again);
    let mut data = cluster.nodes[0].data();
    let found = data
        .get(b"k", &Consistency::Linearizable)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.value, "two");
    match data.put(b"k", "three".into(), &named).await {
        Err(DataError::Rejected { status: 422, .. }) => {}
        other => panic!("{other:?}"),
    }
}
