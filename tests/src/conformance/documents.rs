//! Relays' information documents (NIP-11): an HTTP request of the driver's own, over the runtime's connections. The scenarios
//! have the assertions.

use nostr_pool_driver::Runtime;

use super::Script;
use crate::scenarios::info;

pub(super) fn scripts<R: Runtime>() -> Vec<Script<R>> {
    vec![
        Script::new(
            "documents: one that comes when a connection opens",
            |cx| {
                cx.wait(info::fetches_a_document_when_a_connection_opens(cx.runtime.clone()));
                cx.say("fetched once");
            },
            &["fetched once"],
        ),
        Script::new(
            "documents: servers that are hostile",
            |cx| {
                cx.wait(info::survives_hostile_answers(cx.runtime.clone()));
                cx.say("each has its error");
            },
            &["each has its error"],
        ),
        Script::new(
            "documents: servers that take their time",
            |cx| {
                cx.wait(info::waits_for_it_so_long(cx.runtime.clone()));
                cx.say("given up in time");
            },
            &["given up in time"],
        ),
    ]
}
