//! The relay that floods, and the other one.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::thread;

use nostr_pool_corpus as corpus;
use tokio_tungstenite::tungstenite::{self, Message};

use super::Flood;
use crate::args::Args;
use crate::serve::push_header;

/// Events that answer a REQ.
const ANSWER: usize = 100;
/// Events that are flooded over and over.
const REPEATED: usize = 1_000;
/// Bytes handed to the socket at once.
const WRITE: usize = 256 << 10;

/// The relays' process, from outside. It ends when this is dropped.
pub(crate) struct Relays {
    child: Child,
    stdin: Option<ChildStdin>,
    /// One for each flood, in the order of [`Flood::ALL`], and the quiet relay's.
    pub(crate) ports: String,
}

impl Relays {
    pub(crate) fn start(args: &Args) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--fair-relays")
            .args(args.for_child())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take();
        let mut ports = String::new();
        BufReader::new(child.stdout.take().ok_or("the relays have no standard output")?).read_line(&mut ports)?;
        Ok(Self { child, stdin, ports: ports.trim().to_owned() })
    }
}

impl Drop for Relays {
    fn drop(&mut self) {
        self.stdin.take();
        if let Err(e) = self.child.wait() {
            eprintln!("bench: the relays did not end: {e}");
        }
    }
}

/// Serves until standard input ends.
pub(crate) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let mix = args.mix()?;
    let flood = corpus::generated_with(args.seed, args.events, &mix);
    let json: Vec<String> = flood.iter().map(nostr_proto::Event::to_json).collect();
    let forged = forge(&json)?;
    // Of another seed, or the floods would have brought them before.
    let answers = corpus::generated_with(args.seed + 1, args.events, &mix);
    let answers: Arc<Vec<String>> = Arc::new(answers.iter().map(nostr_proto::Event::to_json).collect());
    let mut ports = Vec::new();
    for (_, flood) in Flood::ALL {
        let mut texts = match flood {
            Flood::None => Vec::new(),
            Flood::Unique => json.clone(),
            Flood::Duplicates => json[..REPEATED.min(json.len())].to_vec(),
            Flood::Garbage => {
                json[..REPEATED.min(json.len())].iter().map(|event| event.replace("\"sig\"", "sig")).collect()
            }
            Flood::Forged => forged.clone(),
        };
        texts.shrink_to_fit();
        let texts = Arc::new(texts);
        ports.push(listen(move |stream| pour(stream, flood, &texts))?);
    }
    ports.push(listen(move |stream| answer(stream, &answers))?);
    println!("{}", ports.join(","));
    io::stdin().lock().lines().try_for_each(|line| line.map(drop))?;
    Ok(())
}

/// Each event with the signature of the one before it.
fn forge(events: &[String]) -> Result<Vec<String>, Box<dyn Error>> {
    let values = events.iter().map(|e| serde_json::from_str(e)).collect::<Result<Vec<serde_json::Value>, _>>()?;
    let before = values.iter().cycle().skip(values.len().saturating_sub(1));
    let forged = values.iter().zip(before).map(|(event, before)| {
        let mut event = event.clone();
        event["sig"] = before["sig"].clone();
        event.to_string()
    });
    Ok(forged.collect())
}

fn listen(serve: impl Fn(TcpStream) -> Result<(), Box<dyn Error>> + Send + Sync + 'static) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port().to_string();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            // A pool that leaves in the middle is its own affair.
            thread::spawn(move || drop(serve(stream)));
        }
    });
    Ok(port)
}

/// Waits for a REQ, and floods it until the socket ends; with unseen events only as long as there are any.
fn pour(stream: TcpStream, flood: Flood, events: &[String]) -> Result<(), Box<dyn Error>> {
    let mut socket = tungstenite::accept(stream)?;
    let subscription = loop {
        if let Some(request) = request(&mut socket)?
            && request[0] == "REQ"
        {
            break request[1].as_str().unwrap_or_default().to_owned();
        }
    };
    let prefix = format!("[\"EVENT\",\"{subscription}\",");
    let mut out = Vec::with_capacity(2 * WRITE);
    loop {
        for event in events {
            push_header(&mut out, prefix.len() + event.len() + 1);
            out.extend_from_slice(prefix.as_bytes());
            out.extend_from_slice(event.as_bytes());
            out.push(b']');
            if out.len() >= WRITE {
                socket.get_mut().write_all(&out)?;
                out.clear();
            }
        }
        if matches!(flood, Flood::None | Flood::Unique) {
            socket.get_mut().write_all(&out)?;
            // Nothing more: it stays open until the pool closes it.
            loop {
                socket.read()?;
            }
        }
    }
}

/// Answers each REQ with events that this connection has not had, and each EVENT with OK.
fn answer(stream: TcpStream, events: &[String]) -> Result<(), Box<dyn Error>> {
    stream.set_nodelay(true)?;
    let mut socket = tungstenite::accept(stream)?;
    let mut left = events.chunks_exact(ANSWER);
    loop {
        let Some(request) = request(&mut socket)? else { continue };
        let mut out = Vec::new();
        let mut say = |text: String| {
            push_header(&mut out, text.len());
            out.extend_from_slice(text.as_bytes());
        };
        match (request[0].as_str(), &request[1]) {
            (Some("REQ"), id) => {
                for event in left.next().ok_or("no unseen events are left: --events")? {
                    say(format!("[\"EVENT\",{id},{event}]"));
                }
                say(format!("[\"EOSE\",{id}]"));
            }
            (Some("EVENT"), event) => say(format!("[\"OK\",{},true,\"\"]", event["id"])),
            _ => {}
        }
        socket.get_mut().write_all(&out)?;
    }
}

fn request(socket: &mut tungstenite::WebSocket<TcpStream>) -> Result<Option<serde_json::Value>, Box<dyn Error>> {
    match socket.read()? {
        Message::Text(text) => Ok(Some(serde_json::from_str(text.as_str())?)),
        _ => Ok(None),
    }
}
