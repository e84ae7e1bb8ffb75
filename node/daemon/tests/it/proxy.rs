//! A proxy before a node's peer port, that can be cut.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The only way to a node's peer port; the node itself goes its own ways.
pub struct Proxy {
    cut: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens at `from` and passes everything on to `to`.
    pub async fn start(from: &str, to: String) -> Proxy {
        let listener = TcpListener::bind(from).await.unwrap();
        let (cut, seen) = watch::channel(false);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(pass(stream, to.clone(), seen.clone()));
            }
        });
        Proxy { cut, task }
    }

    /// Breaks what goes through it and lets nothing more through, or lets it through again.
    pub fn cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut from: TcpStream, to: String, mut cut: watch::Receiver<bool>) {
    if *cut.borrow_and_update() {
        return;
    }
    let Ok(mut to) = TcpStream::connect(to).await else {
        return;
    };
    tokio::select! {
        // Either end may break at any time; both are closed then.
        _ = copy_bidirectional(&mut from, &mut to) => {}
        _ = cut.changed() => {}
    }
}
