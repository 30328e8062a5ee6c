//! The reader of stdout going away while there is nothing to print, as with `nostr-pool req --live | head -1`.

/// Waits until nobody reads stdout any more. For ever where that can't be known: on a file, or on a system without
/// `poll`; then the next line that is printed finds out.
pub(crate) async fn reader_gone() {
    let (sender, gone) = tokio::sync::oneshot::channel();
    // It waits for as long as the process lasts; the process does not wait for it.
    std::thread::spawn(move || {
        if wait() {
            // Refused only where the command has ended already.
            let _ = sender.send(());
        }
    });
    if gone.await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Whether the reader went away, rather than that nobody can tell.
#[cfg(unix)]
fn wait() -> bool {
    use rustix::event::{PollFd, PollFlags, poll};

    let stdout = std::io::stdout();
    loop {
        // Errors and hang-ups are always reported; nothing else is asked for.
        let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
        match poll(&mut watched, None) {
            Ok(_) => return watched[0].revents().intersects(PollFlags::ERR | PollFlags::HUP),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

#[cfg(not(unix))]
fn wait() -> bool {
    false
}
