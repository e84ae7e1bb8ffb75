//! Panics of a simulated node's tasks, which end the run: on a real node the task would only be missing.
//!
//! tokio can end a runtime for that. But it does so while it holds its queue, and a task that wakes another as it is dropped
//! then panics in turn, which ends the process: so the tasks go on without the one, and the panic after the step.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    static SEEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Does some work, all of it on this thread. If a panic was caught in it, it goes on from here.
pub fn not_caught_in<T>(work: impl FnOnce() -> T) -> T {
    static NOTED: Once = Once::new();
    NOTED.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let said = panic.to_string();
            // The first is the cause.
            SEEN.with_borrow_mut(|seen| {
                seen.get_or_insert(said);
            });
            usual(panic);
        }));
    });
    SEEN.take();
    let done = work();
    match SEEN.take() {
        None => done,
        Some(said) => panic::resume_unwind(Box::new(said)),
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use tokio::task::yield_now;

    use super::*;

    #[test]
    fn a_task_that_panics_while_another_waits_for_it_ends_the_work_and_not_the_process() {
        let ended = panic::catch_unwind(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let runtime = runtime.unwrap();
            not_caught_in(|| {
                runtime.block_on(async {
                    let (answer, asked) = oneshot::channel::<()>();
                    tokio::spawn(async { asked.await.ok() });
                    tokio::spawn(async move {
                        let _never_given = answer;
                        std::future::pending::<()>().await;
                    });
                    tokio::spawn(async { panic!("no data to send") });
                    for _ in 0..8 {
                        yield_now().await;
                    }
                });
            });
        });
        let said = ended.unwrap_err().downcast::<String>().unwrap();
        assert!(said.contains("no data to send"), "{said}");
        not_caught_in(|| ());
    }
}
