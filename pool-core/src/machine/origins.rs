//! The relays that a call goes to, and who named them.
//!
//! An event may not send us where only the user may. A relay that an event named is [`Origin::Hinted`] until the user
//! names it, too: by adding it, or in a [`Target::Relays`] while nobody has added it. Then it is [`Origin::Typed`] until it
//! leaves the pool. Naming the relays of an earlier publish again, to retry it or to take its place, is no naming by the
//! user.
//!
//! Never makes a typed relay a hinted one, never takes in a hinted one that is not `wss`.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use nostr_proto::RelayUrl;

use crate::call::{CallError, Origin, RelayOptions, Target};
use crate::ids::{PublishId, RelayIx};

use super::Core;

impl Core {
    /// The relays that a call goes to. Explicit ones that are not in the pool are taken in, all or none. `earlier`: the
    /// publish whose relays they may be.
    pub(super) fn target(
        &mut self,
        target: &Target,
        earlier: Option<PublishId>,
        takes: impl Fn(&RelayOptions) -> bool,
    ) -> Result<Vec<(RelayIx, RelayUrl)>, CallError> {
        let relays: Vec<(RelayIx, RelayUrl)> = match target {
            Target::All => {
                let all = self.by_url.iter().filter_map(|(url, ix)| Some((url, ix, self.relays.get(ix)?)));
                all.filter(|(_, _, r)| r.added && takes(&r.options)).map(|(url, &ix, _)| (ix, url.clone())).collect()
            }
            Target::Relays(urls) => self.named_by(Origin::Typed, urls, earlier)?,
            Target::Hinted(urls) => self.named_by(Origin::Hinted, urls, earlier)?,
        };
        if relays.is_empty() { Err(CallError::NoRelays) } else { Ok(relays) }
    }

    fn named_by(
        &mut self,
        by: Origin,
        urls: &[RelayUrl],
        earlier: Option<PublishId>,
    ) -> Result<Vec<(RelayIx, RelayUrl)>, CallError> {
        let hinted = |core: &Self, url: &RelayUrl| {
            let known = |id| core.publishes.get(&id).is_some_and(|publish| publish.hinted.contains(url));
            by == Origin::Hinted || earlier.is_some_and(known)
        };
        let origin = |core: &Self, url: &RelayUrl| if hinted(core, url) { Origin::Hinted } else { Origin::Typed };
        for url in urls {
            self.check_origin(url, origin(self, url))?;
        }
        let new = urls.iter().filter(|url| !self.by_url.contains_key(*url)).collect::<BTreeSet<_>>().len();
        if self.by_url.len() + new > self.config.max_relays {
            return Err(CallError::TooManyRelays(self.config.max_relays));
        }
        let mut relays = Vec::new();
        for url in urls {
            let ix = self.ensure_relay(url, origin(self, url))?;
            if !relays.iter().any(|(known, _)| *known == ix) {
                relays.push((ix, url.clone()));
            }
        }
        Ok(relays)
    }

    /// A relay that is taken in, or named again, is one that whoever names it may name.
    pub(super) fn check_origin(&self, url: &RelayUrl, origin: Origin) -> Result<(), CallError> {
        let typed = self.by_url.get(url).is_some_and(|ix| !self.is_hinted(*ix));
        match origin {
            Origin::Hinted if !url.is_secure() && !typed => Err(CallError::InsecureHint(url.clone())),
            Origin::Hinted | Origin::Typed => Ok(()),
        }
    }

    /// A relay of the pool was named in a call. What the application added is as it says.
    pub(super) fn note_origin(&mut self, ix: RelayIx, origin: Origin) {
        if let Some(relay) = self.relays.get_mut(&ix)
            && !relay.added
            && origin == Origin::Typed
        {
            relay.options.origin = Origin::Typed;
        }
    }

    /// Whether only events named this relay.
    pub(super) fn is_hinted(&self, ix: RelayIx) -> bool {
        self.relays.get(&ix).is_some_and(|relay| relay.options.origin == Origin::Hinted)
    }
}
