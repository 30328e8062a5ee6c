//! What no relay should send.

/// What is no message of the protocol, or only looks like one.
pub(super) const GARBAGE: [&str; 16] = [
    "",
    "hello",
    "{}",
    "[]",
    "[",
    "null",
    "[\"EVENT\"]",
    "[\"EVENT\",1,{}]",
    "[\"EVENT\",\"sub\",{\"id\":\"00\",\"kind\":-1}]",
    "[\"OK\",\"zz\",\"yes\",7]",
    "[\"EOSE\"]",
    "[\"EOSE\",{\"sub\":1}]",
    "[\"CLOSED\"]",
    "[\"COUNT\",\"sub\",{\"count\":-5}]",
    "[\"\u{0}\",\"\u{202e}\"]",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
];
