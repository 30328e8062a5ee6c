//! The replay server: any REQ is answered with all events and EOSE, as fast as the socket takes them.
//!
//! It runs in a process of its own and must not be the bottleneck: events are prepared as text, frames go out in
//! writes of a quarter megabyte, and each connection has a thread. What it costs is told on demand.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cpu_time::ProcessTime;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::args::Args;
use crate::workload;

/// Bytes handed to the socket at once.
const WRITE: usize = 256 << 10;

/// Serves until standard input ends. Prints its ports first; answers each line of input with its CPU time so far, in ns.
pub(crate) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let events = Arc::new(workload::events(args)?);
    let pause = Duration::from_micros(args.pause);
    let mut ports = Vec::new();
    for _ in 0..args.relays {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        ports.push(listener.local_addr()?.port().to_string());
        let events = Arc::clone(&events);
        thread::spawn(move || accept(&listener, &events, pause));
    }
    let cpu = ProcessTime::now();
    println!("{} {}", ports.join(","), workload::mean_size(&events));
    for line in io::stdin().lock().lines() {
        line?;
        println!("{}", cpu.elapsed().as_nanos());
    }
    Ok(())
}

fn accept(listener: &TcpListener, events: &Arc<Vec<String>>, pause: Duration) {
    for stream in listener.incoming() {
        let events = Arc::clone(events);
        thread::spawn(move || {
            // A contender that leaves in the middle is its own affair: it is told by the contender's process.
            if let Err(e) = stream.map_err(Into::into).and_then(|stream| serve(stream, &events, pause)) {
                eprintln!("replay server: {e}");
            }
        });
    }
}

fn serve(stream: TcpStream, events: &[String], pause: Duration) -> Result<(), Box<dyn Error>> {
    stream.set_nodelay(true)?;
    let mut socket = tungstenite::accept(stream)?;
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => {
                if let Some(subscription) = requested(text.as_str())? {
                    // Nothing else is being written, so the frames may go past the WebSocket library.
                    blast(socket.get_mut(), &subscription, events, pause)?;
                }
            }
            Ok(_) => {}
            // A contender says goodbye or its process simply ends.
            Err(
                tungstenite::Error::ConnectionClosed
                | tungstenite::Error::AlreadyClosed
                | tungstenite::Error::Io(_)
                | tungstenite::Error::Protocol(_),
            ) => return Ok(()),
            Err(e) => return Err(e.into()),
        }
    }
}

/// The subscription id of a REQ; `None` for anything else.
fn requested(text: &str) -> Result<Option<String>, Box<dyn Error>> {
    let message: serde_json::Value = serde_json::from_str(text)?;
    Ok((message[0] == "REQ").then(|| message[1].as_str().unwrap_or_default().to_owned()))
}

fn blast(socket: &mut TcpStream, subscription: &str, events: &[String], pause: Duration) -> io::Result<()> {
    let at_once = if pause.is_zero() { WRITE } else { 0 };
    let prefix = format!("[\"EVENT\",\"{subscription}\",");
    let mut out = Vec::with_capacity(WRITE + (64 << 10));
    for event in events {
        push_header(&mut out, prefix.len() + event.len() + 1);
        out.extend_from_slice(prefix.as_bytes());
        out.extend_from_slice(event.as_bytes());
        out.push(b']');
        if out.len() >= at_once {
            socket.write_all(&out)?;
            out.clear();
            thread::sleep(pause);
        }
    }
    let eose = format!("[\"EOSE\",\"{subscription}\"]");
    push_header(&mut out, eose.len());
    out.extend_from_slice(eose.as_bytes());
    socket.write_all(&out)
}

/// The header of an unmasked text frame (RFC 6455, section 5.2).
pub(crate) fn push_header(out: &mut Vec<u8>, len: usize) {
    out.push(0x81);
    if let Ok(short) = u8::try_from(len)
        && short < 126
    {
        out.push(short);
    } else if let Ok(middle) = u16::try_from(len) {
        out.push(126);
        out.extend_from_slice(&middle.to_be_bytes());
    } else {
        out.push(127);
        out.extend_from_slice(&(len as u64).to_be_bytes());
    }
}

/// A replay server that this process started. It ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    pub(crate) ports: Vec<String>,
    pub(crate) mean_size: usize,
}

impl Server {
    pub(crate) fn start(args: &Args) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--serve")
            .args(args.for_child())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().ok_or("the replay server has no standard output")?);
        let mut server = Self { child, stdin, stdout, ports: Vec::new(), mean_size: 0 };
        let line = server.line()?;
        let (ports, mean_size) = line.trim().split_once(' ').ok_or("the replay server did not start")?;
        server.ports = ports.split(',').map(str::to_owned).collect();
        server.mean_size = mean_size.parse()?;
        Ok(server)
    }

    /// The CPU time that it has spent on serving so far.
    pub(crate) fn cpu(&mut self) -> Result<Duration, Box<dyn Error>> {
        let stdin = self.stdin.as_mut().ok_or("the replay server has no standard input")?;
        stdin.write_all(b"\n")?;
        Ok(Duration::from_nanos(self.line()?.trim().parse()?))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stdout.by_ref().take(4_096).read_line(&mut line)?;
        Ok(line)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stdin.take();
        if let Err(e) = self.child.wait() {
            eprintln!("bench: the replay server did not end: {e}");
        }
    }
}
