//! The names of an event's fields, recognised where they stand.

/// A field that NIP-01 names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Id,
    Pubkey,
    CreatedAt,
    Kind,
    Tags,
    Content,
    Sig,
}

impl Key {
    /// The field that this text names.
    pub(crate) fn from_name(name: &str) -> Option<Key> {
        Some(match name {
            "id" => Key::Id,
            "pubkey" => Key::Pubkey,
            "created_at" => Key::CreatedAt,
            "kind" => Key::Kind,
            "tags" => Key::Tags,
            "content" => Key::Content,
            "sig" => Key::Sig,
            _ => return None,
        })
    }

    /// The field whose name, in quotes and with the colon right behind, a text begins with; and the length of all that.
    /// Nearly every key is written so. To compare with what is expected is faster than to look for the closing quote.
    #[inline(always)]
    pub(crate) fn at(text: &[u8]) -> Option<(Key, usize)> {
        Some(match text {
            [b'"', b'i', b'd', b'"', b':', ..] => (Key::Id, 5),
            [b'"', b'p', b'u', b'b', b'k', b'e', b'y', b'"', b':', ..] => (Key::Pubkey, 9),
            [b'"', b'c', b'r', b'e', b'a', b't', b'e', b'd', b'_', b'a', b't', b'"', b':', ..] => (Key::CreatedAt, 13),
            [b'"', b'k', b'i', b'n', b'd', b'"', b':', ..] => (Key::Kind, 7),
            [b'"', b't', b'a', b'g', b's', b'"', b':', ..] => (Key::Tags, 7),
            [b'"', b'c', b'o', b'n', b't', b'e', b'n', b't', b'"', b':', ..] => (Key::Content, 10),
            [b'"', b's', b'i', b'g', b'"', b':', ..] => (Key::Sig, 6),
            _ => return None,
        })
    }
}
