//! `nostr-pool info`: what relays say of themselves.

use std::pin::pin;

use futures::StreamExt as _;
use futures::stream;
use nostr_pool_tokio::{Config, Pool, RelayInfoError, StepDeadlines};
use nostr_proto::{Limitation, RelayInfo, RelayUrl};
use serde_json::json;

use crate::args::InfoArgs;
use crate::exit::{Exit, Stop};
use crate::interrupt::interrupted;
use crate::output::{self, BAD, FAINT, Lines, STRONG, WARN, styled};
use crate::relays;

/// Documents that are asked for ahead of the one that is printed next. The pool fetches eight of them at once.
const AHEAD: usize = 64;
/// Characters of a text that are shown without --json.
const SHOWN: usize = 300;

/// Runs the command.
pub(crate) async fn run(args: &InfoArgs) -> Result<Exit, Stop> {
    let urls = relays::distinct(&args.relays);
    let config = Config::default();
    let config = Config { max_relays: config.max_relays.max(urls.len()), ..config };
    let steps = StepDeadlines { info: args.timeout, ..StepDeadlines::default() };
    let builder = Pool::builder().config(config).step_deadlines(steps);
    let pool = args.network.build(urls.iter().fold(builder, |builder, url| builder.relay(url)))?;
    let end = tokio::select! {
        biased;
        () = interrupted() => Ok(Exit::Interrupted),
        end = print(args, &pool, urls) => end,
    };
    args.network.part(&pool).await;
    end
}

/// Prints them in order, each once it is there.
async fn print(args: &InfoArgs, pool: &Pool, urls: Vec<RelayUrl>) -> Result<Exit, Stop> {
    let mut out = Lines::stdout();
    let mut exits = Vec::new();
    let fetch = |url: RelayUrl| {
        let document = pool.relay_info_json(&url);
        async move { (url, document.await) }
    };
    let mut documents = pin!(stream::iter(urls).map(fetch).buffered(AHEAD));
    while let Some((url, document)) = documents.next().await {
        let lines = if args.json { vec![machine(&url, &document)] } else { plain(&url, &document) };
        lines.iter().try_for_each(|line| out.line(line))?;
        out.flush()?;
        exits.push(document.err().as_ref().map_or(Exit::Ok, exit));
    }
    // One document is enough; where none came, it matters whether one may be there all the same.
    Ok([Exit::Ok, Exit::Indeterminate].into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Failed))
}

fn exit(error: &RelayInfoError) -> Exit {
    match error {
        RelayInfoError::TimedOut { .. } | RelayInfoError::Lost(_) => Exit::Indeterminate,
        _ => Exit::Failed,
    }
}

/// A line with the URL, and what the document says under it.
fn plain(url: &RelayUrl, document: &Result<String, RelayInfoError>) -> Vec<String> {
    let why = match document.as_deref().map(RelayInfo::from_json) {
        Ok(Ok(info)) => {
            let rows = rows(&info);
            let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
            let line = |(name, value): &(&str, String)| {
                let value = output::one_line(&output::cut(value, SHOWN));
                format!("  {}  {value}", styled(FAINT, format_args!("{name:<width$}")))
            };
            return std::iter::once(styled(STRONG, url)).chain(rows.iter().map(line)).collect();
        }
        // The pool has read it before.
        Ok(Err(e)) => RelayInfoError::NotDocument(e).to_string(),
        Err(e) => format!("{}: {e}", status(e)),
    };
    let style = match document {
        Err(e) if exit(e) == Exit::Indeterminate => WARN,
        _ => BAD,
    };
    vec![format!("{}  {}", styled(STRONG, url), styled(style, output::one_line(&why)))]
}

/// What is worth showing of a document, under the names that NIP-11 has for it.
fn rows(info: &RelayInfo) -> Vec<(&'static str, String)> {
    let Limitation {
        max_message_length,
        max_subscriptions,
        max_filters,
        max_limit,
        max_subid_length,
        max_event_tags,
        max_content_length,
        min_pow_difficulty,
        auth_required,
        payment_required,
        restricted_writes,
        created_at_lower_limit,
        created_at_upper_limit,
        default_limit,
    } = info.limitation;
    let software = [info.software.as_deref(), info.version.as_deref()];
    let software = software.into_iter().flatten().collect::<Vec<_>>().join(", version ");
    let nips = info.supported_nips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let number = |n: Option<u32>| n.map(|n| n.to_string());
    let with = |unit: &'static str| move |n: u64| format!("{n} {unit}");
    let yes_or_no = |is: Option<bool>| is.map(|is| if is { "yes" } else { "no" }.to_owned());
    let ignored = (info.ignored > 0).then(|| output::count(info.ignored, "senseless value"));
    let all = [
        ("name", info.name.clone()),
        ("description", info.description.clone()),
        ("software", some(software)),
        ("supported_nips", some(nips)),
        ("contact", info.contact.clone()),
        ("pubkey", info.pubkey.map(|key| key.to_npub())),
        ("auth_required", yes_or_no(auth_required)),
        ("payment_required", yes_or_no(payment_required)),
        ("payments_url", info.payments_url.clone()),
        ("restricted_writes", yes_or_no(restricted_writes)),
        ("min_pow_difficulty", min_pow_difficulty.map(|bits| with("bits")(bits.into()))),
        ("max_message_length", max_message_length.map(with("bytes"))),
        ("max_subscriptions", number(max_subscriptions)),
        ("max_filters", number(max_filters)),
        ("max_limit", number(max_limit)),
        ("default_limit", number(default_limit)),
        ("max_subid_length", max_subid_length.map(|n| with("characters")(n.into()))),
        ("max_event_tags", number(max_event_tags)),
        ("max_content_length", max_content_length.map(with("characters"))),
        ("created_at_lower_limit", created_at_lower_limit.map(with("seconds ago"))),
        ("created_at_upper_limit", created_at_upper_limit.map(with("seconds ahead"))),
        ("ignored", ignored),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The same as one JSON object, the document in it as it came.
fn machine(url: &RelayUrl, document: &Result<String, RelayInfoError>) -> String {
    match document {
        Ok(text) => {
            let relay = json!(url.as_str());
            format!(r#"{{"relay":{relay},"status":"found","document":{}}}"#, on_one_line(text))
        }
        Err(e) => json!({ "relay": url.as_str(), "status": status(e), "reason": e.to_string() }).to_string(),
    }
}

/// A JSON text on one line and safe to show: the same values, with what no terminal should see escaped.
fn on_one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.trim_start_matches('\u{feff}').chars() {
        match c {
            ' ' | '\t' | '\r' | '\n' if !in_string => continue,
            // Those that JSON takes raw, in strings only: DEL, and U+0080 to U+009F.
            c if c.is_control() => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => line.push(c),
        }
        in_string ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
    }
    line
}

/// What came of it, in one word.
fn status(error: &RelayInfoError) -> &'static str {
    match error {
        RelayInfoError::Unreachable(_) => "unreachable",
        RelayInfoError::TimedOut { .. } => "timed-out",
        RelayInfoError::Lost(_) => "lost",
        RelayInfoError::Refused { .. } => "refused",
        RelayInfoError::TooLong => "too-long",
        RelayInfoError::Answer(_) | RelayInfoError::NotUtf8 | RelayInfoError::NotDocument(_) => "nonsense",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_document_on_one_line_says_what_it_said() {
        for text in [
            "{}",
            "\u{feff} {\n \"a\\\\\" : [ 1 , 2.50 ] ,\t\"b \\\" c\":\"d  e\"\r\n}\n",
            "{\"\u{7f}\": \"\u{9b}31m\u{85}ä\\u001b\\n\", \"n\": 123456789012345678901234567890}",
            r#"{"a": "\\", "b": "\\\"", " ": " "}"#,
        ] {
            let line = on_one_line(text);
            assert!(!line.chars().any(char::is_control), "{line:?}");
            let value = |text: &str| serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}')).unwrap();
            assert_eq!(value(&line), value(text));
            assert_eq!(line.len(), on_one_line(&line).len());
        }
        assert_eq!(on_one_line("{ \"b\" : 1.50, \"a\" : [ ] }"), r#"{"b":1.50,"a":[]}"#);
    }
}
