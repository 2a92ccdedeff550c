//! Waiting for what a client is told.

use std::time::Duration;

use chat_engine::{Client, Event};
use futures_lite::FutureExt as _;

/// Takes events up to one that is wanted.
pub(crate) async fn until<T>(client: &Client, wanted: impl Fn(&Event) -> Option<T>) -> T {
    let late = async {
        async_io::Timer::after(Duration::from_secs(30)).await;
        None
    };
    let find = async {
        while let Some(event) = client.next_event().await {
            if let Some(found) = wanted(&event) {
                return Some(found);
            }
        }
        None
    };
    find.or(late).await.expect("the event comes")
}
