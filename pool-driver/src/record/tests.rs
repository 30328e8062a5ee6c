//! The writer and what waits for it, with writers that fail, hang and panic.

use super::*;

fn options() -> RecordOptions {
    RecordOptions::default().with_buffer_bytes(100)
}

fn spool(options: &RecordOptions) -> (Arc<Spool>, SpoolTape) {
    let spool = Spool::new(options);
    (spool.clone(), SpoolTape(spool))
}

/// A writer that fails after so many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.min(bytes.len()) {
            0 => Err(io::ErrorKind::StorageFull.into()),
            taken => {
                self.0 -= taken;
                Ok(taken)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Panics;

impl Write for Panics {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        panic!("no")
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn done(recording: &Recording) {
    futures::executor::block_on(recording.written());
}

#[test]
fn what_waits_is_bounded_but_for_one_piece_alone() {
    let (spool, mut tape) = spool(&options());
    assert!(tape.write(&[1; 300]), "alone");
    assert!(!tape.write(&[1]));
    let mut taken = Vec::new();
    assert!(!spool.take(&mut taken));
    assert_eq!(taken.len(), 300);
    assert!(tape.write(&[2; 60]));
    assert!(tape.write(&[2; 40]));
    assert!(!tape.write(&[2]));
    tape.end(&[3; 30], Ended::Behind);
    assert!(spool.take(&mut taken), "the last");
    assert_eq!(taken.len(), 130);
    assert_eq!(spool.status().state, RecordingState::Ended(Ended::Behind));
}

/// Three of the longest messages come while nothing is written, and what goes with them.
#[test]
fn no_relay_ends_a_recording_by_a_few_long_messages() {
    let (spool, mut tape) = spool(&RecordOptions::default());
    let piece = vec![1; crate::FrameLimits::default().max_message + 100];
    for _ in 0..3 {
        assert!(tape.write(&piece));
    }
    assert_eq!(spool.status().state, RecordingState::Running);
}

#[test]
fn a_full_disk_ends_the_recording_and_is_told() {
    let (spool, mut tape) = spool(&options());
    let recording = Recording::start(&spool, RecordTo::writer(Full(50))).unwrap();
    assert!(tape.write(&[1; 60]));
    done(&recording);
    assert!(!tape.write(&[1]), "no room any more");
    tape.end(&[0], Ended::Behind);
    assert!(matches!(recording.status().state, RecordingState::Failed(_)));
    assert_eq!((recording.status().bytes, spool.lock().waiting.len()), (0, 0));
}

#[test]
fn a_writer_that_panics_ends_the_recording_and_is_told() {
    let (spool, mut tape) = spool(&options());
    let recording = Recording::start(&spool, RecordTo::writer(Panics)).unwrap();
    assert!(tape.write(&[1; 60]));
    done(&recording);
    assert!(!tape.write(&[1]));
    assert_eq!(recording.status().state, RecordingState::Failed("the writer panicked".into()));
}

/// A writer that hangs until the other end is dropped.
struct Hangs(std::sync::mpsc::Receiver<()>);

impl Write for Hangs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whoever is in a hurry waits for the writer, but not for one that hangs, nor for one that has failed.
#[test]
fn a_hurry_ends_when_all_is_written_or_never_will_be() {
    const LONG: Duration = Duration::from_secs(20);
    let took = |spool: &Spool, at_most| {
        let begun = std::time::Instant::now();
        spool.drain(at_most);
        begun.elapsed()
    };
    let (idle, mut tape) = spool(&options());
    let recording = Recording::start(&idle, RecordTo::writer(io::sink())).unwrap();
    assert!(tape.write(&[1; 60]));
    assert!(took(&idle, LONG) < LONG);
    assert_eq!(recording.status().bytes, 60);

    let (full, mut tape) = spool(&options());
    let recording = Recording::start(&full, RecordTo::writer(Full(50))).unwrap();
    assert!(tape.write(&[1; 60]));
    assert!(took(&full, LONG) < LONG);
    assert!(matches!(recording.status().state, RecordingState::Failed(_)));

    let (hung, mut tape) = spool(&options());
    let (hold, held) = std::sync::mpsc::sync_channel::<()>(0);
    let recording = Recording::start(&hung, RecordTo::writer(Hangs(held))).unwrap();
    assert!(tape.write(&[1; 60]));
    let (short, taken) = (Duration::from_millis(50), took(&hung, Duration::from_millis(50)));
    assert!(taken >= short && taken < LONG, "{taken:?}");
    assert_eq!(recording.status().bytes, 0);
    drop(hold);
    assert!(took(&hung, LONG) < LONG);
    assert_eq!(recording.status().bytes, 60);
}

#[test]
fn all_of_it_is_written_in_order() {
    let (path, (spool, mut tape)) = (scratch("order"), spool(&RecordOptions::default()));
    let recording = Recording::start(&spool, RecordTo::from(&*path)).unwrap();
    let pieces: Vec<Vec<u8>> = (0..2_000_usize).map(|n| vec![n.to_le_bytes()[0]; n % 300]).collect();
    for piece in &pieces {
        assert!(tape.write(piece));
    }
    tape.end(b"end", Ended::Closed);
    done(&recording);
    let mut expected = pieces.concat();
    expected.extend_from_slice(b"end");
    assert_eq!(std::fs::read(&path).unwrap(), expected);
    assert_eq!(recording.status().bytes, expected.len() as u64);
    let again = Recording::start(&spool, RecordTo::from(&*path));
    assert_eq!(again.err().map(|e| e.kind()), Some(io::ErrorKind::AlreadyExists), "no file is overwritten");
    std::fs::remove_file(&path).unwrap();
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("nostr-pool-{name}-{}", std::process::id()))
}
