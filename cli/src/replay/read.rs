//! Reading the file, which anybody may have sent.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use nostr_pool_tokio::recording::Recording;

/// Why a file is not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It can't be.
    Io(io::Error),
    /// It does not begin like a recording.
    NotARecording,
    /// It is longer than this.
    TooLong(u64),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotARecording => f.write_str("this is no recording of nostr-pool"),
            Self::TooLong(max) => write!(f, "it is longer than {max} bytes: --max-bytes allows more"),
        }
    }
}

/// The whole file, if it begins like a recording and has at most so many bytes. Of what is none, only the beginning is read.
pub(super) fn whole(path: &Path, max: u64) -> Result<Vec<u8>, Unread> {
    File::open(path).map_err(Unread::Io).and_then(|file| at_most(file, max))
}

fn at_most(mut from: impl Read, max: u64) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::new();
    let mut read = |count, bytes: &mut Vec<u8>| from.by_ref().take(count).read_to_end(bytes).map_err(Unread::Io);
    read(Recording::BEGINNING.len() as u64, &mut bytes)?;
    if bytes != Recording::BEGINNING {
        return Err(Unread::NotARecording);
    }
    let rest = max.saturating_sub(bytes.len() as u64);
    read(rest.saturating_add(1), &mut bytes)?;
    if bytes.len() as u64 > max { Err(Unread::TooLong(max)) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recording without end, which counts what is read of it.
    struct Endless {
        begins: bool,
        read: usize,
    }

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(0);
            let rest = if self.begins { Recording::BEGINNING.get(self.read..).unwrap_or_default() } else { &[] };
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            self.read += buffer.len();
            Ok(buffer.len())
        }
    }

    #[test]
    fn no_more_is_read_than_may_be() {
        let mut endless = Endless { begins: true, read: 0 };
        assert!(matches!(at_most(&mut endless, 100_000), Err(Unread::TooLong(100_000))));
        assert_eq!(endless.read, 100_001);
        let mut other = Endless { begins: false, read: 0 };
        assert!(matches!(at_most(&mut other, 100_000), Err(Unread::NotARecording)));
        assert_eq!(other.read, Recording::BEGINNING.len());
        let exact = [Recording::BEGINNING, &[1; 50]].concat();
        assert_eq!(at_most(&*exact, exact.len() as u64).unwrap(), exact);
        assert!(matches!(at_most(&*exact, exact.len() as u64 - 1), Err(Unread::TooLong(_))));
        assert!(matches!(at_most(Recording::BEGINNING, 3), Err(Unread::TooLong(3))));
    }
}
