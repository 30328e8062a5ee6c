//! What the user's signer says.

use alloc::string::String;

use nostr_proto::{BadSignature, Event, HashedEvent, Proof, UnsignedEvent, VerifiedEvent};

use crate::command::Command;
use crate::ids::{PublishId, Ticket};

use super::{Core, Job};

impl Core {
    /// Asks the signer, if the publish still has to reach a relay.
    pub(super) fn sign(&mut self, id: PublishId, event: UnsignedEvent) {
        if self.publishes.get(&id).is_none_or(|p| p.is_done()) {
            return;
        }
        let ticket = self.ticket(Job::Sign(id));
        self.signing.insert(id, ticket);
        self.fx.command(Command::Sign { ticket, event });
    }

    /// The user's signer answered.
    pub(super) fn on_signed(&mut self, ticket: Ticket, outcome: Result<Event, String>) {
        let id = match self.jobs.get(&ticket) {
            Some(Job::Sign(id)) => *id,
            Some(&Job::SignAuth(ix, event)) => {
                self.jobs.remove(&ticket);
                return self.on_auth_signed((ix, event), outcome);
            }
            _ => {
                self.stats.unknown_tickets += 1;
                return;
            }
        };
        self.jobs.remove(&ticket);
        self.signing.remove(&id);
        let Some(publication) = self.publishes.get(&id) else { return };
        let expected = publication.event_id();
        let hashed = outcome.and_then(|event| {
            event
                .check_id()
                .ok()
                .filter(|event| event.id() == expected)
                .ok_or_else(|| String::from("the signer returned another event than it was given"))
        });
        match hashed {
            Ok(event) => {
                let ticket = self.ticket(Job::CheckSigned(id, event.clone()));
                self.fx.command(Command::Verify { ticket, event });
            }
            Err(why) => self.not_signed(id, &why),
        }
    }

    /// The verifier answered about what the user's signer made.
    pub(super) fn on_signature_checked(
        &mut self,
        id: PublishId,
        event: HashedEvent,
        outcome: Result<Proof, BadSignature>,
    ) {
        let verified = outcome.ok().and_then(|proof| VerifiedEvent::new(event, proof).ok());
        let Some(event) = verified else {
            self.not_signed(id, "the signer returned a wrong signature");
            return;
        };
        self.on_publish(id, |p, _, _, _| p.signed(event.into_event()));
        self.deliver_publish(id);
    }

    fn not_signed(&mut self, id: PublishId, why: &str) {
        self.on_publish(id, |p, _, _, fx| p.not_signed(why, fx));
    }
}
