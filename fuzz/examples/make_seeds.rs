//! Writes the seeds of the fuzz targets again: `cargo run -p nostr-pool-fuzz --example make_seeds`.
//!
//! All of it is made here; no event that a person signed is among them.

mod recordings;

use std::fs;
use std::io;
use std::path::Path;

use nostr_pool_corpus::{self as corpus, Mix, Rng, Shape};
use nostr_proto::Event;

fn main() -> io::Result<()> {
    let events = small_events();
    write("event", &event_seeds(&events))?;
    write("filter", &filter_seeds(&events))?;
    write("relay_frame", &relay_seeds(&events))?;
    write("head_scan_agrees", &head_seeds(&events))?;
    write("client_message", &client_seeds(&events))?;
    write("relay_url", &url_seeds())?;
    write("nip11", &info_seeds())?;
    write("nip77", &negentropy_seeds(&events))?;
    write("count_hll", &hll_seeds())?;
    write("recording", &recordings::seeds())?;
    write("core_inputs", &core_seeds())
}

fn write(target: &str, seeds: &[Vec<u8>]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    fs::create_dir_all(&folder)?;
    for (i, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("{i:02}")), seed)?;
    }
    Ok(())
}

fn bytes<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Vec<Vec<u8>> {
    texts.into_iter().map(|text| text.as_ref().as_bytes().to_vec()).collect()
}

/// One event of each shape, none of them long.
fn small_events() -> Vec<String> {
    let shapes = [
        (Shape::Note, 700),
        (Shape::Profile, 700),
        (Shape::Reaction, 900),
        (Shape::Deletion, 900),
        (Shape::Contacts, 2_000),
        (Shape::Draft, 1_000),
        (Shape::Zap, 3_000),
        (Shape::Repost, 2_000),
        (Shape::Article, 3_000),
        (Shape::Ephemeral, 900),
    ];
    let one = |(shape, most)| {
        let mix = Mix { authors: 2, weights: vec![(shape, 1)], distinct: false };
        let all = corpus::generated_with(5, 200, &mix);
        all.iter().map(Event::to_json).find(|json| json.len() < most).expect("a short one among two hundred")
    };
    shapes.into_iter().map(one).collect()
}

fn field<'a>(event: &'a str, name: &str) -> &'a str {
    let value = &event[event.find(&format!(r#""{name}":""#)).expect("the field is there") + name.len() + 4..];
    &value[..value.find('"').expect("the value ends")]
}

/// The same event as another encoder would write it: keys in another order, spaces, an unknown key.
fn other_order(event: &str) -> String {
    let tail =
        &event[event.find(r#""created_at""#).expect("the field is there")..event.rfind(r#","sig""#).expect("so")];
    let (id, pubkey, sig) = (field(event, "id"), field(event, "pubkey"), field(event, "sig"));
    format!(
        "{{ \"sig\": \"{sig}\",\n{tail} , \"x\":{{\"id\":[null,1.5e3]}},\t\"pubkey\":\"{pubkey}\",\"id\" : \"{id}\" }}"
    )
}

fn event_seeds(events: &[String]) -> Vec<Vec<u8>> {
    let mut seeds = bytes(events);
    seeds.extend(bytes(events.iter().take(3).map(|event| other_order(event))));
    seeds.extend(bytes([events[0].replacen(r#""content":""#, r#""content":"\ud83e\udd19\u0001\/\n\u2028"#, 1)]));
    seeds
}

fn filter_seeds(events: &[String]) -> Vec<Vec<u8>> {
    let (id, author) = (field(&events[0], "id"), field(&events[0], "pubkey"));
    let filters = [
        "{}".to_owned(),
        format!(r#"{{"ids":["{id}"]}}"#),
        format!(r#"{{"authors":["{author}"],"kinds":[1,0,30023],"limit":10}}"#),
        r#"{"kinds":[]}"#.to_owned(),
        r##"{"#t":["nostr","coffee"],"#d":["document-1"],"since":1741300000,"until":1741400000}"##.to_owned(),
        format!(r##"{{ "#p" : ["{author}"], "#e":["{id}"], "search":"a \"b\" \u00e9", "unknown":[1,{{}}] }}"##),
        r#"{"limit":0}"#.to_owned(),
        r#"{"since":1741300021,"until":1741300021}"#.to_owned(),
    ];
    let with = |(i, filter): (usize, String)| format!("{filter}\n{}", events[i % events.len()]);
    bytes(filters.into_iter().enumerate().map(with).chain(["{\"kinds\":[65535]}".to_owned()]))
}

fn relay_seeds(events: &[String]) -> Vec<Vec<u8>> {
    let id = field(&events[0], "id");
    let mut frames: Vec<String> = events.iter().take(5).map(|event| format!(r#"["EVENT","p12",{event}]"#)).collect();
    frames.extend([
        format!(r#"["OK","{id}",true,""]"#),
        format!(r#"["OK","{id}",false,"Rate-Limited: slow down \u001b[31m"]"#),
        r#"["OK","",false,"error: x",{}]"#.to_owned(),
        r#"["EOSE","p12"]"#.to_owned(),
        r#"["EOSE","p12",["finish"]]"#.to_owned(),
        r#"["CLOSED","p12","auth-required: who are you"]"#.to_owned(),
        r#" [ "NOTICE" , "too many \"REQ\"s" ] "#.to_owned(),
        r#"["AUTH","challenge \u0041"]"#.to_owned(),
        r#"["COUNT","p12",{"count":93412452,"approximate":true,"hll":"00ff"}]"#.to_owned(),
        r#"["COUNT","p12",7]"#.to_owned(),
        r#"["NEG-MSG","p12","61"]"#.to_owned(),
    ]);
    bytes(frames)
}

fn head_seeds(events: &[String]) -> Vec<Vec<u8>> {
    let mut frames: Vec<String> = events.iter().take(6).map(|event| format!(r#"["EVENT","p1",{event}]"#)).collect();
    frames.extend(events.iter().take(3).map(|event| format!("[ \"EVENT\" ,\n\"p1\",{} ]", other_order(event))));
    let nested = r#"{"tags":[["id","\"id\":\"no\""]],"content":"\"id\":{","#;
    let rest = &events[0][1..events[0].find(r#","tags""#).expect("the field is there")];
    frames.push(format!(r#"["EVENT","p1",{nested}{rest},"sig":"{}"}}]"#, field(&events[0], "sig")));
    frames.push(r#"["EOSE","p1"]"#.to_owned());
    bytes(frames)
}

fn client_seeds(events: &[String]) -> Vec<Vec<u8>> {
    let mut messages: Vec<String> = events.iter().take(3).map(|event| format!(r#"["EVENT",{event}]"#)).collect();
    messages.extend([
        r#"["REQ","p1",{"kinds":[1],"limit":10}]"#.to_owned(),
        format!(r##"["REQ","p1",{{"authors":["{}"]}},{{"#t":["x"]}}]"##, field(&events[0], "pubkey")),
        r#"["CLOSE","p1"]"#.to_owned(),
        format!(r#"["AUTH",{}]"#, events[3]),
        r#"["COUNT","p1",{"kinds":[3]}]"#.to_owned(),
    ]);
    bytes(messages)
}

fn url_seeds() -> Vec<Vec<u8>> {
    bytes([
        "wss://relay.example.com",
        "WSS://Relay.Example.COM:443/",
        "ws://127.0.0.1:7777/path?x=1",
        "wss://[2001:DB8::1]:8080/",
        "wss://relay.example.com.//a//b/../c",
        "wss://bücher.example/ä?ö",
        "wss://xn--bcher-kva.example",
        "ws://localhost:80",
        "  wss://relay.example.com\n",
        "wss://user:pass@relay.example.com/#x",
        "relay.example.com",
    ])
}

fn info_seeds() -> Vec<Vec<u8>> {
    let key = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    bytes([
        r#"{"name":"a relay","description":"for \"us\"\n","supported_nips":[1,11,"42",77.0],"software":"https://x.example","version":"1"}"#
            .to_owned(),
        format!(r#"{{"pubkey":"{key}","self":"{key}","contact":"mailto:a@b.example","banner":"","icon":null}}"#),
        r#"{"limitation":{"max_message_length":65536,"max_subscriptions":20,"max_filters":10,"max_limit":500,"max_subid_length":64,
            "max_event_tags":2000,"max_content_length":8196,"min_pow_difficulty":0,"auth_required":false,"payment_required":true,
            "restricted_writes":true,"created_at_lower_limit":31536000,"created_at_upper_limit":3,"default_limit":100}}"#
            .to_owned(),
        r#"{"limitation":{"max_subscriptions":0,"max_limit":-1,"max_filters":"10","max_message_length":1e6,"auth_required":"no"}}"#
            .to_owned(),
        r#"{"payments_url":"https://x.example/pay","fees":{"admission":[{"amount":1000000,"unit":"msats"}],
            "subscription":[{"amount":5000,"unit":"sats","period":2592000}],"publication":[{"kinds":[4],"amount":100}]}}"#
            .to_owned(),
        r#"{"retention":[{"kinds":[0,1,[5,7],[40,49]],"time":3600},{"time":0},{"kinds":[[30000,39999]],"count":1000}]}"#.to_owned(),
        r#"{"relay_countries":["CA","US"],"language_tags":["en","*"],"tags":["sfw-only"],"posting_policy":"p","privacy_policy":"q"}"#
            .to_owned(),
        r#"{"name":"x","name":5,"unknown":{"name":[[["deep"]]]},"terms_of_service":"t"}"#.to_owned(),
        "[]".to_owned(),
    ])
}

fn negentropy_seeds(events: &[String]) -> Vec<Vec<u8>> {
    let author = field(&events[0], "pubkey");
    bytes([
        r#"["NEG-OPEN","n1",{"kinds":[1]},"6100000200"]"#.to_owned(),
        format!(r#"["NEG-OPEN","n2",{{"authors":["{author}"],"since":1741300000}},"61"]"#),
        r#"["NEG-MSG","n1","6181a2b8A4be9f21"]"#.to_owned(),
        r#"["NEG-MSG","",""]"#.to_owned(),
        r#"["NEG-CLOSE","n1"]"#.to_owned(),
        r#"["NEG-ERR","n1","blocked: this query is too big",500000]"#.to_owned(),
        r#" [ "NEG-ERR" , "n1" , "Closed:you took too long", {} ] "#.to_owned(),
        r#"["NEG-MSG","n\u0031","616"]"#.to_owned(),
    ])
}

/// Registers of nobody, of a few, of many, and at their ends; with keys of all sorts.
fn hll_seeds() -> Vec<Vec<u8>> {
    let mut rng = Rng::new(45);
    let seed = |(offset, highest, keys): (u8, usize, usize)| {
        let mut seed = vec![offset];
        for _ in 0..512 {
            let register = if rng.one_in(3) { 0 } else { byte(&mut rng, highest + 1) };
            seed.push(register);
        }
        for key in 0..keys {
            // Every other key has zeros behind its register, up to the end.
            let zeros = if key % 2 == 0 { 0 } else { rng.below(24) };
            seed.extend((0..32 - zeros).map(|_| byte(&mut rng, 256)));
            seed.extend(vec![0; zeros]);
        }
        seed
    };
    [(0, 0, 4), (15, 0, 0), (7, 9, 6), (3, 255, 2), (12, 60, 8), (1, 1, 1)].into_iter().map(seed).collect()
}

/// Three relays, two subscriptions and open connections, and then whatever comes.
fn core_seeds() -> Vec<Vec<u8>> {
    let mut rng = Rng::new(9);
    let seed = |i: u8| {
        let mut steps = vec![128, i];
        for relay in 0..3 {
            steps.extend([0, relay, 0, 0]);
        }
        steps.extend([0, 0, 0, 10, 0, 0, 1]);
        steps.extend([0, 1, 0, 11, i, 0, i]);
        for _ in 0..9 {
            steps.extend([3, byte(&mut rng, 6), 1]);
        }
        for _ in 0..rng.between(100, 900) {
            steps.push(byte(&mut rng, 256));
        }
        steps
    };
    let raw: Vec<Vec<u8>> = (0..10).map(seed).collect();
    // 10 and 11 were found by libFuzzer, as raw scripts; here, they are kept as they are.
    let found = ["10", "11"].map(|name| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/core_inputs").join(name);
        fs::read(path).expect("a seed that was found once is kept")
    });
    raw.into_iter().chain(found).chain((0..10).map(|i| simulated(i, &mut Rng::new(u64::from(i))))).collect()
}

/// A plan and steps of the simulator.
fn simulated(i: u8, rng: &mut Rng) -> Vec<u8> {
    let len = rng.between(150, 700);
    std::iter::once(i).chain((0..len).map(|_| byte(rng, 256))).collect()
}

fn byte(rng: &mut Rng, below: usize) -> u8 {
    u8::try_from(rng.below(below)).expect("below 256")
}
