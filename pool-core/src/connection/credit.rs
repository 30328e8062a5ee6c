//! Send credits: how much was given to a socket that its sink has not taken yet.

use alloc::collections::VecDeque;

use crate::config::Config;

/// Outstanding frames, oldest first, with their sizes. A ping counts as an empty frame and is never held up.
#[derive(Debug, Default)]
pub(crate) struct Credit {
    outstanding: VecDeque<usize>,
    bytes: usize,
}

impl Credit {
    /// Whether another frame may go. The byte bound may be passed by one frame.
    pub(crate) fn available(&self, config: &Config) -> bool {
        self.outstanding.len() < config.send_credits.max(1) && self.bytes < config.send_bytes.max(1)
    }

    /// Whether a ping may go: it is not held up by frames, but a sink that takes nothing is not sent pings for ever.
    pub(crate) fn available_to_ping(&self, config: &Config) -> bool {
        const PINGS: usize = 8;
        self.outstanding.len() < config.send_credits.max(1) + PINGS
    }

    /// Frames that the sink has not taken yet, pings included.
    pub(crate) fn untaken(&self) -> usize {
        self.outstanding.len()
    }

    pub(crate) fn spend(&mut self, bytes: usize) {
        self.outstanding.push_back(bytes);
        self.bytes += bytes;
    }

    /// The sink took the oldest frame. A `Sent` too many changes nothing.
    pub(crate) fn give_back(&mut self) {
        if let Some(bytes) = self.outstanding.pop_front() {
            self.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_bytes_are_both_bounded() {
        let config = Config { send_credits: 2, send_bytes: 10, ..Config::default() };
        let mut c = Credit::default();
        assert!(c.available(&config));
        c.spend(50);
        assert!(!c.available(&config), "bytes are used up");
        c.give_back();
        c.spend(1);
        c.spend(1);
        assert!(!c.available(&config), "frames are used up");
        c.give_back();
        assert!(c.available(&config));
        c.give_back();
        c.give_back();
        assert!(c.available(&config), "one Sent too many is harmless");
    }
}
