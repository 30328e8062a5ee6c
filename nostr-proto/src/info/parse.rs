//! Reading a relay information document, field by field.

use super::value::Lenient;
use super::{Fee, Fees, Limitation, RelayInfo, Retention};
use crate::Kind;
use crate::error::{ParseError, ParseErrorKind};
use crate::limits::MAX_RELAY_INFO_BYTES;
use alloc::vec::Vec;

pub(super) fn from_json(text: &str) -> Result<RelayInfo, ParseError> {
    if text.len() > MAX_RELAY_INFO_BYTES {
        let limit = MAX_RELAY_INFO_BYTES;
        return Err(ParseError::new(0, ParseErrorKind::TooLarge { limit }));
    }
    const BYTE_ORDER_MARK: char = '\u{feff}';
    let mut document = Lenient::new(text);
    if text.starts_with(BYTE_ORDER_MARK) {
        document.reader().set_offset(BYTE_ORDER_MARK.len_utf8());
    }
    if document.reader().peek() != Some(b'{') {
        return document.reader().error(ParseErrorKind::Expected("a relay information object"));
    }
    let mut info = RelayInfo::default();
    document.object(|document, key| field(&mut info, document, key))?;
    document.reader().end()?;
    info.ignored = document.ignored;
    Ok(info)
}

/// Keeps a value that made sense; one that did not leaves what an earlier field of the same name said.
fn set<T>(field: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *field = value;
    }
}

fn set_list<T>(field: &mut Vec<T>, value: Option<Vec<T>>) {
    if let Some(items) = value {
        *field = items;
    }
}

fn field(info: &mut RelayInfo, document: &mut Lenient<'_>, key: &str) -> Result<(), ParseError> {
    match key {
        "name" => set(&mut info.name, document.string()?),
        "description" => set(&mut info.description, document.string()?),
        "banner" => set(&mut info.banner, document.string()?),
        "icon" => set(&mut info.icon, document.string()?),
        "pubkey" => set(&mut info.pubkey, document.key()?),
        "self" => set(&mut info.self_pubkey, document.key()?),
        "contact" => set(&mut info.contact, document.string()?),
        "supported_nips" => set_list(&mut info.supported_nips, document.list(Lenient::number)?),
        "software" => set(&mut info.software, document.string()?),
        "version" => set(&mut info.version, document.string()?),
        "terms_of_service" => set(&mut info.terms_of_service, document.string()?),
        "limitation" => document.object(|document, key| limitation(&mut info.limitation, document, key))?,
        "payments_url" => set(&mut info.payments_url, document.string()?),
        "fees" => document.object(|document, key| fees(&mut info.fees, document, key))?,
        "posting_policy" => set(&mut info.posting_policy, document.string()?),
        "privacy_policy" => set(&mut info.privacy_policy, document.string()?),
        "relay_countries" => set_list(&mut info.relay_countries, document.list(Lenient::string)?),
        "language_tags" => set_list(&mut info.language_tags, document.list(Lenient::string)?),
        "tags" => set_list(&mut info.tags, document.list(Lenient::string)?),
        "retention" => set_list(&mut info.retention, document.list(retention)?),
        _ => {
            document.skip()?;
        }
    }
    Ok(())
}

fn limitation(limits: &mut Limitation, document: &mut Lenient<'_>, key: &str) -> Result<(), ParseError> {
    match key {
        "max_message_length" => set(&mut limits.max_message_length, document.maximum()?),
        "max_subscriptions" => set(&mut limits.max_subscriptions, document.maximum()?),
        "max_filters" => set(&mut limits.max_filters, document.maximum()?),
        "max_limit" => set(&mut limits.max_limit, document.maximum()?),
        "max_subid_length" => set(&mut limits.max_subid_length, document.maximum()?),
        "max_event_tags" => set(&mut limits.max_event_tags, document.maximum()?),
        "max_content_length" => set(&mut limits.max_content_length, document.maximum()?),
        "min_pow_difficulty" => set(&mut limits.min_pow_difficulty, document.number()?),
        "auth_required" => set(&mut limits.auth_required, document.boolean()?),
        "payment_required" => set(&mut limits.payment_required, document.boolean()?),
        "restricted_writes" => set(&mut limits.restricted_writes, document.boolean()?),
        "created_at_lower_limit" => set(&mut limits.created_at_lower_limit, document.number()?),
        "created_at_upper_limit" => set(&mut limits.created_at_upper_limit, document.number()?),
        "default_limit" => set(&mut limits.default_limit, document.number()?),
        _ => {
            document.skip()?;
        }
    }
    Ok(())
}

fn fees(fees: &mut Fees, document: &mut Lenient<'_>, key: &str) -> Result<(), ParseError> {
    match key {
        "admission" => set_list(&mut fees.admission, document.list(fee)?),
        "subscription" => set_list(&mut fees.subscription, document.list(fee)?),
        "publication" => set_list(&mut fees.publication, document.list(fee)?),
        _ => {
            document.skip()?;
        }
    }
    Ok(())
}

/// A fee without an amount, or for kinds that can't be told, is none.
fn fee(document: &mut Lenient<'_>) -> Result<Option<Fee>, ParseError> {
    let (mut fee, mut amount, mut unit, mut limited) = (Fee::default(), None, None, true);
    let ignored = document.ignored;
    document.object(|document, key| {
        match key {
            "amount" => set(&mut amount, document.number()?),
            "unit" => set(&mut unit, document.string()?),
            "period" => set(&mut fee.period, document.number()?),
            "kinds" => limited &= kinds(&mut fee.kinds, document, |document| Ok(document.number()?.map(Kind::new)))?,
            _ => {
                document.skip()?;
            }
        }
        Ok(())
    })?;
    let fee = amount.filter(|_| limited).map(|amount| Fee { amount, unit: unit.unwrap_or_default(), ..fee });
    note_useless(document, ignored, fee.is_none());
    Ok(fee)
}

/// An entry that says neither how long nor how many, or of which kinds, says nothing.
fn retention(document: &mut Lenient<'_>) -> Result<Option<Retention>, ParseError> {
    let (mut entry, mut limited) = (Retention::default(), true);
    let ignored = document.ignored;
    document.object(|document, key| {
        match key {
            "kinds" => limited &= kinds(&mut entry.kinds, document, kind_range)?,
            "time" => set(&mut entry.time, document.number()?),
            "count" => set(&mut entry.count, document.number()?),
            _ => {
                document.skip()?;
            }
        }
        Ok(())
    })?;
    let useless = !limited || (entry.time.is_none() && entry.count.is_none());
    note_useless(document, ignored, useless);
    Ok((!useless).then_some(entry))
}

/// Reads the kinds that an entry is for; false if they can't be told, for then an empty list would stand for all kinds.
fn kinds<'a, T>(
    kinds: &mut Vec<T>,
    document: &mut Lenient<'a>,
    item: impl FnMut(&mut Lenient<'a>) -> Result<Option<T>, ParseError>,
) -> Result<bool, ParseError> {
    let ignored = document.ignored;
    set_list(kinds, document.list(item)?);
    Ok(document.ignored == ignored)
}

/// Counts a list item that is dropped, unless something in it was counted already.
fn note_useless(document: &mut Lenient<'_>, ignored_before: usize, useless: bool) {
    if useless && document.ignored == ignored_before {
        document.ignored += 1;
    }
}

/// A kind, or the first and the last of a range.
fn kind_range(document: &mut Lenient<'_>) -> Result<Option<(Kind, Kind)>, ParseError> {
    if document.reader().peek() != Some(b'[') {
        return Ok(document.number()?.map(|kind| (Kind::new(kind), Kind::new(kind))));
    }
    let ignored = document.ignored;
    let ends: Option<Vec<u16>> = document.list(Lenient::number)?;
    let range = match ends.unwrap_or_default()[..] {
        [first, last] if first <= last => Some((Kind::new(first), Kind::new(last))),
        _ => None,
    };
    note_useless(document, ignored, range.is_none());
    Ok(range)
}
