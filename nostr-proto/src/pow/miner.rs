//! Mining: trying nonces until the id begins with enough zero bits.

use crate::json::{write_joined, write_string};
use crate::{EventTemplate, PublicKey, UnsignedEvent};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU64;
use sha2::block_api::compress256;

/// Nonces are numbers of 19 digits without leading zeros, so that they all take the same place.
const FIRST_NONCE: u64 = 1_000_000_000_000_000_000;
/// The largest that still fits a signed number, which is how some read a nonce.
const LAST_NONCE: u64 = i64::MAX as u64;
const NONCE_DIGITS: usize = 19;

const BLOCK: usize = 64;
type Block = [u8; BLOCK];

/// The state that SHA-256 begins with (FIPS 180-4, section 5.3.3).
const INITIAL_STATE: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Looks for a nonce that gives an event the wanted proof of work (NIP-13), so many attempts per call: the caller
/// decides how long a call may take, and whether there is a next one.
///
/// An attempt hashes from the nonce to the end of the event: the canonical form is written once, the part before the
/// nonce is hashed once, and the nonce is counted up in place. The `nonce` tag is the last of the tags, which is as
/// late as it can be, but the content still comes behind it; a long content makes each attempt slower.
///
/// With a target of n bits it takes 2^n attempts on average. To use several threads, give each a [`lane`](Miner::lane).
/// The nonces tried are the same in every run. For a long search, NIP-13 recommends to begin anew with a later
/// `created_at` now and then.
///
/// ```
/// use nostr_proto::{EventTemplate, Keys, Miner, Mining, Timestamp};
///
/// let keys = Keys::from_entropy([7; 32])?;
/// let template = EventTemplate::text_note("worth a little work", Timestamp::new(1_700_000_000));
/// let mut miner = Miner::new(template, keys.public_key(), 8);
/// let mined = loop {
///     match miner.mine(100) {
///         Mining::Found(event) => break event,
///         Mining::NotYet => println!("{} attempts so far", miner.attempts()),
///         Mining::Exhausted => unreachable!("8 bits take 256 attempts on average, and there are 2^62"),
///     }
/// };
/// assert_eq!(mined.check_pow(8), Ok(()));
/// let event = mined.sign(&keys, [0; 32]);
/// # assert!(event.id().difficulty() >= 8);
/// # Ok::<(), nostr_proto::KeyError>(())
/// ```
#[derive(Clone)]
pub struct Miner {
    /// What is mined; its last tag is the nonce's.
    template: EventTemplate,
    author: PublicKey,
    target: u8,
    /// The hash of all blocks before the one in which the nonce begins.
    midstate: [u32; 8],
    /// From that block to the end of the canonical form, padded as SHA-256 wants it.
    blocks: Vec<Block>,
    /// Where in `blocks` the digits of the nonce begin.
    nonce_at: usize,
    /// The nonce whose digits stand in `blocks`; above [`LAST_NONCE`] there is none left.
    nonce: u64,
    stride: NonZeroU64,
    attempts: u64,
}

/// What came of some attempts of a [`Miner`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mining {
    /// The mined event, whose `nonce` tag commits to the target. Mining on finds others.
    Found(UnsignedEvent),
    /// All attempts failed.
    NotYet,
    /// All attempts failed, and no nonces are left to try.
    Exhausted,
}

impl Miner {
    /// Begins to mine an event whose id is to begin with `target` zero bits. A `nonce` tag that the template has is
    /// replaced.
    ///
    /// Takes the memory of the template and once more that of its JSON.
    #[must_use]
    pub fn new(mut template: EventTemplate, author: PublicKey, target: u8) -> Miner {
        template.tags.retain(|tag| tag.first().is_none_or(|name| name != "nonce"));
        let template = template.tag(["nonce".into(), FIRST_NONCE.to_string(), target.to_string()]);
        let (text, nonce_at) = canonical_form(&template, author);
        let (done, rest) = text.as_bytes().split_at(nonce_at / BLOCK * BLOCK);
        let mut midstate = INITIAL_STATE;
        compress256(&mut midstate, done.as_chunks().0);
        Miner {
            blocks: padded(rest, text.len()),
            nonce_at: nonce_at % BLOCK,
            midstate,
            template,
            author,
            target,
            nonce: FIRST_NONCE,
            stride: NonZeroU64::MIN,
            attempts: 0,
        }
    }

    /// A miner of the same event that tries the nonce at position `start` and every `stride`-th behind it. Several
    /// miners with one `stride`, each with its own `start` below it, never try the same nonce.
    #[must_use]
    pub fn lane(&self, start: u64, stride: NonZeroU64) -> Miner {
        let mut lane = self.clone();
        lane.nonce = FIRST_NONCE.saturating_add(start);
        lane.stride = stride;
        lane.attempts = 0;
        let digits = lane.nonce.to_string();
        // What needs a 20th digit is above the last nonce, and is not tried.
        if digits.len() == NONCE_DIGITS {
            lane.digits_mut().copy_from_slice(digits.as_bytes());
        }
        lane
    }

    /// Tries at most so many nonces, and stops at the first that succeeds.
    pub fn mine(&mut self, attempts: u64) -> Mining {
        for _ in 0..attempts {
            if self.nonce > LAST_NONCE {
                return Mining::Exhausted;
            }
            let mut state = self.midstate;
            compress256(&mut state, &self.blocks);
            let tried = self.nonce;
            self.advance();
            if leading_zeros(&state) >= u32::from(self.target) {
                return Mining::Found(self.event(tried));
            }
        }
        Mining::NotYet
    }

    /// How many nonces were tried.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.attempts
    }

    /// Goes to the next nonce.
    fn advance(&mut self) {
        self.attempts += 1;
        self.nonce = self.nonce.saturating_add(self.stride.get());
        if self.nonce > LAST_NONCE {
            return;
        }
        let mut carry = self.stride.get();
        for digit in self.digits_mut().iter_mut().rev() {
            if carry == 0 {
                break;
            }
            let sum = u64::from(*digit - b'0') + carry % 10;
            carry = carry / 10 + sum / 10;
            *digit = b"0123456789"[(sum % 10) as usize];
        }
    }

    fn digits_mut(&mut self) -> &mut [u8] {
        let at = self.nonce_at;
        &mut self.blocks.as_flattened_mut()[at..at + NONCE_DIGITS]
    }

    /// The event with this nonce.
    fn event(&self, nonce: u64) -> UnsignedEvent {
        let mut template = self.template.clone();
        if let Some([_, value, _]) = template.tags.last_mut().map(Vec::as_mut_slice) {
            *value = nonce.to_string();
        }
        template.unsigned(self.author)
    }
}

impl fmt::Debug for Miner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Miner")
            .field("template", &self.template)
            .field("author", &self.author)
            .field("target", &self.target)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// The canonical form (NIP-01) of an event whose last tag is the nonce's, and where in it the nonce stands.
fn canonical_form(template: &EventTemplate, author: PublicKey) -> (String, usize) {
    let mut text = format!("[0,\"{author}\",{},{},[", template.created_at, template.kind);
    write_joined(&mut text, &template.tags, |out, tag| {
        out.push('[');
        write_joined(out, tag, |out, value| write_string(out, value));
        out.push(']');
    });
    let target = template.tags.last().and_then(|tag| tag.last()).map_or(0, String::len);
    // Behind the nonce: a quote and a comma, the target in quotes, a bracket.
    let nonce_at = text.len() - "\",".len() - (target + 2) - "]".len() - NONCE_DIGITS;
    text.push_str("],");
    write_string(&mut text, &template.content);
    text.push(']');
    (text, nonce_at)
}

/// The end of a message of so many bytes, padded by a one bit, zeros, and the length in bits.
fn padded(rest: &[u8], length: usize) -> Vec<Block> {
    const LENGTH_BYTES: usize = 8;
    let mut bytes = Vec::from(rest);
    bytes.push(0x80);
    bytes.resize((bytes.len() + LENGTH_BYTES).next_multiple_of(BLOCK) - LENGTH_BYTES, 0);
    bytes.extend((length as u64 * 8).to_be_bytes());
    bytes.as_chunks().0.to_vec()
}

fn leading_zeros(state: &[u32; 8]) -> u32 {
    let mut zeros = 0;
    for word in state {
        zeros += word.leading_zeros();
        if *word != 0 {
            break;
        }
    }
    zeros
}
