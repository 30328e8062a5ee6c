//! Ctrl-C: the first asks a command to end in good order, the second ends the process.

use crate::exit::Exit;

/// Waits for the first Ctrl-C. From then on another one ends the process at once.
pub(crate) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler Ctrl-C ends the process by itself, so there is nothing to wait for.
        std::future::pending::<()>().await;
    }
    tokio::spawn(async {
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(Exit::Interrupted.code().into());
        }
    });
}
