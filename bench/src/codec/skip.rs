//! The id of an EVENT frame with nothing but memchr: a head scan to measure against.

use memchr::{memchr, memchr2, memchr3};

/// The text of the first `id` of the event of an EVENT frame. Strings are skipped from quote to quote; between strings of
/// an array, from bracket to bracket.
pub(super) fn id(frame: &str) -> Option<&str> {
    let bytes = frame.as_bytes();
    let mut at = 1 + memchr(b'{', bytes)?;
    loop {
        let from = at + 1 + memchr(b'"', &bytes[at..])?;
        let to = end_of_string(bytes, from)?;
        at = to + 2 + memchr(b':', &bytes[to + 1..])?;
        let value = at + bytes[at..].iter().position(|byte| *byte != b' ')?;
        if &bytes[from..to] == b"id" {
            let end = end_of_string(bytes, value + 1)?;
            return frame.get(value + 1..end);
        }
        at = match bytes[value] {
            b'"' => end_of_string(bytes, value + 1)? + 1,
            b'[' => end_of_array(bytes, value + 1)?,
            _ => value + memchr2(b',', b'}', &bytes[value..])?,
        };
    }
}

/// Where the closing quote is, from behind the opening one.
fn end_of_string(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// Behind the closing bracket, from behind the opening one.
fn end_of_array(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 1;
    while depth > 0 {
        at += memchr3(b'"', b'[', b']', bytes.get(at..)?)?;
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at + 1)?,
            b'[' => depth += 1,
            _ => depth -= 1,
        }
        at += 1;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nostr_pool_corpus::{Class, Layout};

    #[test]
    fn it_finds_the_id_of_every_frame() {
        for class in Class::ALL {
            for event in class.events(5, 20_000) {
                for layout in Layout::ALL {
                    let frame = layout.frame("s", &event);
                    assert_eq!(id(&frame), Some(event.id().to_string().as_str()), "{frame}");
                }
            }
        }
    }

    #[test]
    fn broken_frames_have_none() {
        for broken in ["", "{", "[\"EVENT\",\"s\",{", "[\"EVENT\",\"s\",{\"tags\":[[", "{\"id\":\"a\\"] {
            assert_eq!(id(broken), None, "{broken}");
        }
    }
}
