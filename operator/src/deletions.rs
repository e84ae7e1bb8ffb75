//! Deletions as a watch tells them: some look like no news, and some come too late.

use std::collections::HashMap;
use std::future::ready;

use futures::{Stream, TryStreamExt};
use kube::runtime::watcher::{self, Event};
use kube::{Resource, ResourceExt};

/// Passes over a deletion that comes after an object of the same name was made anew, as where a watch tells something
/// twice: the store would lose the new one for it.
pub fn without_late<K: ResourceExt + Send>(
    events: impl Stream<Item = Result<Event<K>, watcher::Error>> + Send,
) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send {
    let mut uids = HashMap::new();
    events.try_filter(move |event| {
        let passes = match event {
            Event::Init => {
                uids.clear();
                true
            }
            Event::InitApply(object) | Event::Apply(object) => {
                uids.insert(named(object), object.uid());
                true
            }
            Event::Delete(object) => match uids.get(&named(object)) {
                Some(uid) if *uid != object.uid() => false,
                _ => {
                    uids.remove(&named(object));
                    true
                }
            },
            Event::InitDone => true,
        };
        ready(passes)
    })
}

fn named(object: &impl ResourceExt) -> (Option<String>, String) {
    (object.namespace(), object.name_any())
}

/// What is deleted looks as it did before, and a filter by generation would take that for no news: it loses it here.
pub fn unlike_before<K: Resource>(event: Event<K>) -> Event<K> {
    match event {
        Event::Delete(mut object) => {
            object.meta_mut().generation = None;
            Event::Delete(object)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use k8s_openapi::api::core::v1::Pod;
    use kube::api::ObjectMeta;

    use super::*;

    fn cluster(uid: &str) -> Pod {
        let metadata = ObjectMeta {
            namespace: Some("default".to_owned()),
            name: Some("demo".to_owned()),
            uid: Some(uid.to_owned()),
            ..ObjectMeta::default()
        };
        Pod {
            metadata,
            ..Pod::default()
        }
    }

    /// The uid of each deletion that passes.
    async fn deletions(events: Vec<Event<Pod>>) -> Vec<String> {
        let passed = without_late(stream::iter(events.into_iter().map(Ok)));
        let deleted = passed.try_filter_map(async |event| {
            Ok(match event {
                Event::Delete(object) => object.uid(),
                _ => None,
            })
        });
        deleted.try_collect().await.unwrap()
    }

    #[tokio::test]
    async fn a_deletion_of_what_was_there_before_passes_only_before_the_new_one() {
        let (old, new) = (cluster("old"), cluster("new"));
        let told = vec![
            Event::Apply(old.clone()),
            Event::Delete(old.clone()),
            Event::Apply(new.clone()),
            Event::Delete(old.clone()),
            Event::Delete(new.clone()),
        ];
        assert_eq!(deletions(told).await, ["old", "new"]);
        let told_twice = vec![
            Event::Delete(old.clone()),
            Event::Apply(old.clone()),
            Event::Apply(new.clone()),
            Event::Delete(old.clone()),
        ];
        assert_eq!(deletions(told_twice).await, ["old"]);
        let listed = vec![
            Event::Apply(new.clone()),
            Event::Init,
            Event::InitApply(old.clone()),
            Event::InitDone,
            Event::Delete(new),
            Event::Delete(old),
        ];
        assert_eq!(deletions(listed).await, ["old"]);
    }
}
