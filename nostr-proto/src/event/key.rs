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
    pub(crate) const ALL: [Key; 7] =
        [Key::Id, Key::Pubkey, Key::CreatedAt, Key::Kind, Key::Tags, Key::Content, Key::Sig];

    /// The length of the longest name.
    pub(crate) const LONGEST: usize = 10;

    /// The field's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Key::Id => "id",
            Key::Pubkey => "pubkey",
            Key::CreatedAt => "created_at",
            Key::Kind => "kind",
            Key::Tags => "tags",
            Key::Content => "content",
            Key::Sig => "sig",
        }
    }

    /// The field that this text names.
    pub(crate) fn from_name(name: &str) -> Option<Key> {
        Key::ALL.into_iter().find(|key| key.name() == name)
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
