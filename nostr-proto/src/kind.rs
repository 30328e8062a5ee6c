//! What sort of event an event is.

use core::fmt;
use serde::{Deserialize, Serialize};

/// An event's kind, 0 to 65535 (NIP-01). The constants name the kinds that the NIPs give a meaning, not all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kind(u16);

/// How long relays keep events of a kind, and what replaces them (NIP-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KindClass {
    /// Every event is kept.
    Regular,
    /// The latest per author and kind is kept: kinds 0, 3 and 10000 to 19999.
    Replaceable,
    /// Not stored: kinds 20000 to 29999.
    Ephemeral,
    /// The latest per author, kind and `d` tag is kept: kinds 30000 to 39999.
    Addressable,
}

impl Kind {
    /// A user's profile (NIP-01).
    pub const METADATA: Kind = Kind(0);
    /// A short text note (NIP-10).
    pub const TEXT_NOTE: Kind = Kind(1);
    /// A list of followed users (NIP-02).
    pub const CONTACTS: Kind = Kind(3);
    /// An encrypted direct message of the old form (NIP-04).
    pub const ENCRYPTED_DIRECT_MESSAGE: Kind = Kind(4);
    /// A request to delete events (NIP-09).
    pub const DELETION: Kind = Kind(5);
    /// A repost of a text note (NIP-18).
    pub const REPOST: Kind = Kind(6);
    /// A reaction (NIP-25).
    pub const REACTION: Kind = Kind(7);
    /// The award of a badge (NIP-58).
    pub const BADGE_AWARD: Kind = Kind(8);
    /// A message in a chat (NIP-C7).
    pub const CHAT_MESSAGE: Kind = Kind(9);
    /// The first note of a thread with a title (NIP-7D).
    pub const THREAD: Kind = Kind(11);
    /// A seal around a rumor (NIP-59).
    pub const SEAL: Kind = Kind(13);
    /// A private direct message, only ever inside a seal (NIP-17).
    pub const PRIVATE_DIRECT_MESSAGE: Kind = Kind(14);
    /// A file sent as a private direct message, only ever inside a seal (NIP-17).
    pub const FILE_MESSAGE: Kind = Kind(15);
    /// A repost of an event that is not a text note (NIP-18).
    pub const GENERIC_REPOST: Kind = Kind(16);
    /// A reaction to a website (NIP-25).
    pub const WEBSITE_REACTION: Kind = Kind(17);
    /// A picture (NIP-68).
    pub const PICTURE: Kind = Kind(20);
    /// A video (NIP-71).
    pub const VIDEO: Kind = Kind(21);
    /// A short video (NIP-71).
    pub const SHORT_VIDEO: Kind = Kind(22);
    /// A public message to someone (NIP-A4).
    pub const PUBLIC_MESSAGE: Kind = Kind(24);
    /// The creation of a public channel (NIP-28).
    pub const CHANNEL_CREATION: Kind = Kind(40);
    /// The name and description of a public channel (NIP-28).
    pub const CHANNEL_METADATA: Kind = Kind(41);
    /// A message in a public channel (NIP-28).
    pub const CHANNEL_MESSAGE: Kind = Kind(42);
    /// A wish to hide a message of a public channel (NIP-28).
    pub const CHANNEL_HIDE_MESSAGE: Kind = Kind(43);
    /// A wish to mute a user in a public channel (NIP-28).
    pub const CHANNEL_MUTE_USER: Kind = Kind(44);
    /// A request to delete all that a user published (NIP-62).
    pub const REQUEST_TO_VANISH: Kind = Kind(62);
    /// A vote in a poll (NIP-88).
    pub const POLL_RESPONSE: Kind = Kind(1018);
    /// A proof that an event existed at a time (NIP-03).
    pub const OPEN_TIMESTAMPS: Kind = Kind(1040);
    /// A gift wrap (NIP-59).
    pub const GIFT_WRAP: Kind = Kind(1059);
    /// The description of a file (NIP-94).
    pub const FILE_METADATA: Kind = Kind(1063);
    /// A poll (NIP-88).
    pub const POLL: Kind = Kind(1068);
    /// A comment on anything (NIP-22).
    pub const COMMENT: Kind = Kind(1111);
    /// A voice message (NIP-A0).
    pub const VOICE_MESSAGE: Kind = Kind(1222);
    /// A message in the chat of a live activity (NIP-53).
    pub const LIVE_CHAT_MESSAGE: Kind = Kind(1311);
    /// A piece of source code (NIP-C0).
    pub const CODE_SNIPPET: Kind = Kind(1337);
    /// A patch to a git repository (NIP-34).
    pub const GIT_PATCH: Kind = Kind(1617);
    /// A pull request to a git repository (NIP-34).
    pub const GIT_PULL_REQUEST: Kind = Kind(1618);
    /// An issue of a git repository (NIP-34).
    pub const GIT_ISSUE: Kind = Kind(1621);
    /// A report of objectionable content (NIP-56).
    pub const REPORT: Kind = Kind(1984);
    /// A label on something (NIP-32).
    pub const LABEL: Kind = Kind(1985);
    /// A torrent (NIP-35).
    pub const TORRENT: Kind = Kind(2003);
    /// The approval of a post in a community (NIP-72).
    pub const COMMUNITY_APPROVAL: Kind = Kind(4550);
    /// A goal of a collection by zaps (NIP-75).
    pub const ZAP_GOAL: Kind = Kind(9041);
    /// A zap in ecash (NIP-61).
    pub const NUTZAP: Kind = Kind(9321);
    /// A request for a zap, sent to a wallet's server instead of a relay (NIP-57).
    pub const ZAP_REQUEST: Kind = Kind(9734);
    /// A zap receipt (NIP-57).
    pub const ZAP_RECEIPT: Kind = Kind(9735);
    /// A highlighted passage (NIP-84).
    pub const HIGHLIGHT: Kind = Kind(9802);
    /// A list of muted things (NIP-51).
    pub const MUTE_LIST: Kind = Kind(10_000);
    /// A list of notes pinned to a profile (NIP-51).
    pub const PIN_LIST: Kind = Kind(10_001);
    /// A user's read and write relays (NIP-65).
    pub const RELAY_LIST: Kind = Kind(10_002);
    /// A list of bookmarks (NIP-51).
    pub const BOOKMARK_LIST: Kind = Kind(10_003);
    /// A list of communities (NIP-51).
    pub const COMMUNITY_LIST: Kind = Kind(10_004);
    /// A list of public channels (NIP-51).
    pub const PUBLIC_CHAT_LIST: Kind = Kind(10_005);
    /// Relays that a user's clients should never connect to (NIP-51).
    pub const BLOCKED_RELAY_LIST: Kind = Kind(10_006);
    /// Relays that a user searches (NIP-51).
    pub const SEARCH_RELAY_LIST: Kind = Kind(10_007);
    /// A list of relay-based groups (NIP-51).
    pub const GROUP_LIST: Kind = Kind(10_009);
    /// Relays that a user likes to browse (NIP-51).
    pub const FAVORITE_RELAY_LIST: Kind = Kind(10_012);
    /// Relays for a user's own private events (NIP-37).
    pub const PRIVATE_RELAY_LIST: Kind = Kind(10_013);
    /// A list of topics (NIP-51).
    pub const INTEREST_LIST: Kind = Kind(10_015);
    /// A list of a user's emojis (NIP-51).
    pub const EMOJI_LIST: Kind = Kind(10_030);
    /// Relays where a user receives private direct messages (NIP-17).
    pub const DM_RELAY_LIST: Kind = Kind(10_050);
    /// Servers where a user keeps files (NIP-B7).
    pub const MEDIA_SERVER_LIST: Kind = Kind(10_063);
    /// What a wallet service can do (NIP-47).
    pub const WALLET_INFO: Kind = Kind(13_194);
    /// A client's answer to an authentication challenge (NIP-42).
    pub const AUTH: Kind = Kind(22_242);
    /// A request to a wallet service (NIP-47).
    pub const WALLET_REQUEST: Kind = Kind(23_194);
    /// The answer of a wallet service (NIP-47).
    pub const WALLET_RESPONSE: Kind = Kind(23_195);
    /// A message between a client and a remote signer (NIP-46).
    pub const NOSTR_CONNECT: Kind = Kind(24_133);
    /// An authorisation for a media server (NIP-B7).
    pub const BLOB_AUTH: Kind = Kind(24_242);
    /// An authorisation for an HTTP request (NIP-98).
    pub const HTTP_AUTH: Kind = Kind(27_235);
    /// A named set of users (NIP-51).
    pub const FOLLOW_SET: Kind = Kind(30_000);
    /// A named set of relays (NIP-51).
    pub const RELAY_SET: Kind = Kind(30_002);
    /// A named set of bookmarks (NIP-51).
    pub const BOOKMARK_SET: Kind = Kind(30_003);
    /// A named set of articles and notes (NIP-51).
    pub const CURATION_SET: Kind = Kind(30_004);
    /// What a badge is (NIP-58).
    pub const BADGE_DEFINITION: Kind = Kind(30_009);
    /// A named set of topics (NIP-51).
    pub const INTEREST_SET: Kind = Kind(30_015);
    /// A long-form article (NIP-23).
    pub const LONG_FORM: Kind = Kind(30_023);
    /// The draft of a long-form article (NIP-23).
    pub const LONG_FORM_DRAFT: Kind = Kind(30_024);
    /// A named set of emojis (NIP-51).
    pub const EMOJI_SET: Kind = Kind(30_030);
    /// Whatever an application keeps (NIP-78).
    pub const APPLICATION_DATA: Kind = Kind(30_078);
    /// What a monitor found out about a relay (NIP-66).
    pub const RELAY_DISCOVERY: Kind = Kind(30_166);
    /// A live stream or event (NIP-53).
    pub const LIVE_ACTIVITY: Kind = Kind(30_311);
    /// What a user does right now (NIP-38).
    pub const USER_STATUS: Kind = Kind(30_315);
    /// Something offered for sale (NIP-99).
    pub const CLASSIFIED_LISTING: Kind = Kind(30_402);
    /// The announcement of a git repository (NIP-34).
    pub const GIT_REPOSITORY: Kind = Kind(30_617);
    /// An article of a wiki (NIP-54).
    pub const WIKI_ARTICLE: Kind = Kind(30_818);
    /// An encrypted draft of any event (NIP-37).
    pub const DRAFT: Kind = Kind(31_234);
    /// A calendar entry of whole days (NIP-52).
    pub const CALENDAR_DATE_EVENT: Kind = Kind(31_922);
    /// A calendar entry with a time (NIP-52).
    pub const CALENDAR_TIME_EVENT: Kind = Kind(31_923);
    /// A calendar (NIP-52).
    pub const CALENDAR: Kind = Kind(31_924);
    /// The answer to an invitation (NIP-52).
    pub const CALENDAR_RSVP: Kind = Kind(31_925);
    /// The recommendation of an application for a kind (NIP-89).
    pub const HANDLER_RECOMMENDATION: Kind = Kind(31_989);
    /// What kinds an application handles, and how to open it (NIP-89).
    pub const HANDLER_INFORMATION: Kind = Kind(31_990);
    /// What a community is (NIP-72).
    pub const COMMUNITY_DEFINITION: Kind = Kind(34_550);
    /// A set of users to follow at once (NIP-51).
    pub const STARTER_PACK: Kind = Kind(39_089);

    /// A kind by its number.
    #[must_use]
    pub const fn new(kind: u16) -> Kind {
        Kind(kind)
    }

    /// The number.
    #[must_use]
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// How relays keep events of this kind. Numbers that NIP-01 assigns to no class count as
    /// regular.
    #[must_use]
    pub const fn class(self) -> KindClass {
        match self.0 {
            0 | 3 | 10_000..20_000 => KindClass::Replaceable,
            20_000..30_000 => KindClass::Ephemeral,
            30_000..40_000 => KindClass::Addressable,
            _ => KindClass::Regular,
        }
    }

    /// Whether relays keep every event of this kind.
    #[must_use]
    pub const fn is_regular(self) -> bool {
        matches!(self.class(), KindClass::Regular)
    }

    /// Whether relays keep the latest event of this kind per author.
    #[must_use]
    pub const fn is_replaceable(self) -> bool {
        matches!(self.class(), KindClass::Replaceable)
    }

    /// Whether relays pass on events of this kind without keeping them.
    #[must_use]
    pub const fn is_ephemeral(self) -> bool {
        matches!(self.class(), KindClass::Ephemeral)
    }

    /// Whether relays keep the latest event of this kind per author and `d` tag.
    #[must_use]
    pub const fn is_addressable(self) -> bool {
        matches!(self.class(), KindClass::Addressable)
    }
}

impl KindClass {
    /// Whether relays keep such events at all.
    #[must_use]
    pub const fn is_stored(self) -> bool {
        !matches!(self, KindClass::Ephemeral)
    }

    /// Whether a later event replaces an earlier one of the same [`Address`](crate::Address): replaceable and
    /// addressable kinds.
    #[must_use]
    pub const fn has_versions(self) -> bool {
        matches!(self, KindClass::Replaceable | KindClass::Addressable)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<u16> for Kind {
    fn from(kind: u16) -> Kind {
        Kind(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_at_their_borders() {
        use KindClass::{Addressable, Ephemeral, Regular, Replaceable};
        for (kind, class) in [
            (0, Replaceable),
            (1, Regular),
            (2, Regular),
            (3, Replaceable),
            (4, Regular),
            (9_999, Regular),
            (10_000, Replaceable),
            (19_999, Replaceable),
            (20_000, Ephemeral),
            (29_999, Ephemeral),
            (30_000, Addressable),
            (39_999, Addressable),
            (40_000, Regular),
            (65_535, Regular),
        ] {
            let kind = Kind::new(kind);
            assert_eq!(kind.class(), class, "kind {kind}");
            let flags = [kind.is_regular(), kind.is_replaceable(), kind.is_ephemeral(), kind.is_addressable()];
            assert_eq!(flags, [Regular, Replaceable, Ephemeral, Addressable].map(|other| other == class));
            assert_eq!(class.is_stored(), !kind.is_ephemeral());
            assert_eq!(class.has_versions(), kind.is_replaceable() || kind.is_addressable());
        }
    }
}
