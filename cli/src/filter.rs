//! `--filter`: a whole filter, in which a slip of the pen must not pass for a wish.

use nostr_proto::Filter;
use serde_json::{Map, Value};

use crate::output;

/// What a filter may hold besides tags.
const FIELDS: [&str; 7] = ["ids", "authors", "kinds", "since", "until", "limit", "search"];

/// Characters of an unknown field that are shown.
const SHOWN: usize = 30;

/// Parses a filter. The library ignores fields that it does not know, as a relay's peer has to; here one is a mistake,
/// for without it far more would be asked for than was meant.
pub(crate) fn parse(text: &str) -> Result<Filter, String> {
    let filter = Filter::from_json(text).map_err(|e| e.to_string())?;
    let fields: Map<String, Value> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if let Some(unknown) = fields.keys().find(|key| !is_known(key)) {
        let shown = output::cut(unknown, SHOWN);
        return Err(match similar(unknown) {
            Some(field) => format!("unknown field {shown:?} (did you mean {field:?}?)"),
            None => format!("unknown field {shown:?}"),
        });
    }
    if matches!((filter.since, filter.until), (Some(since), Some(until)) if since > until) {
        return Err("since is later than until, so nothing can match".to_owned());
    }
    Ok(filter)
}

fn is_known(key: &str) -> bool {
    FIELDS.contains(&key) || key.strip_prefix('#').is_some_and(is_letter)
}

fn is_letter(text: &str) -> bool {
    matches!(text.as_bytes(), [letter] if letter.is_ascii_alphabetic())
}

/// The field that was likely meant: one in singular or plural, in other case, or a letter without its mark.
fn similar(key: &str) -> Option<String> {
    if is_letter(key) {
        return Some(format!("#{key}"));
    }
    let stem = |name: &str| name.to_ascii_lowercase().trim_end_matches('s').to_owned();
    FIELDS.into_iter().find(|field| stem(field) == stem(key)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_taken() {
        let id = "a".repeat(64);
        let all = format!(
            r##"{{"ids":["{id}"],"authors":["{id}"],"kinds":[1],"since":1,"until":1,"limit":0,"search":"x","#t":["y"],"#E":[]}}"##
        );
        assert_eq!(parse(&all).unwrap(), Filter::from_json(&all).unwrap());
        assert_eq!(parse("{}").unwrap(), Filter::new());
    }

    #[test]
    fn unknown_fields_are_named_with_what_was_likely_meant() {
        let table = [
            (r#"{"kind":[1]}"#, r#"unknown field "kind" (did you mean "kinds"?)"#),
            (r#"{"Authors":[]}"#, r#"unknown field "Authors" (did you mean "authors"?)"#),
            (r#"{"limits":5}"#, r#"unknown field "limits" (did you mean "limit"?)"#),
            (r#"{"t":["x"]}"#, r##"unknown field "t" (did you mean "#t"?)"##),
            (r#"{"bogus":null}"#, r#"unknown field "bogus""#),
            (r##"{"#title":["x"]}"##, r##"unknown field "#title""##),
            (r##"{"#1":["x"]}"##, r##"unknown field "#1""##),
            (r#"{"":0}"#, r#"unknown field """#),
        ];
        for (text, fault) in table {
            assert_eq!(parse(text).unwrap_err(), fault, "{text}");
        }
    }

    #[test]
    fn a_time_that_ends_before_it_begins_is_refused() {
        assert!(parse(r#"{"since":2,"until":1}"#).unwrap_err().contains("later than until"));
        assert!(parse(r#"{"since":1,"until":1}"#).is_ok());
    }
}
