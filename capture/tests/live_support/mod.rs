//! `capture live` as a process, and what talks to its page without a browser.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod chromium;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStdout, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{Bench, capture};

/// A session with a page.
pub(crate) struct Live {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// The page's address as printed.
    pub(crate) address: String,
}

impl Live {
    /// Starts `capture live` on the bench's camera, with no terminal, and reads the page's address.
    pub(crate) fn start(bench: &Bench, more: &[&str]) -> Self {
        let mut command = capture();
        command.arg("live").arg(bench.plan()).arg("--session").arg(bench.session());
        command.args(["--camera", &bench.camera, "--json"]).args(more);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let first: Value = serde_json::from_str(&line).unwrap();
        let address = first["page"].as_str().unwrap().to_owned();
        Self { child, stdout, address }
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        self.address.split('/').nth(2).unwrap().to_owned()
    }

    /// The path of the page, with the token.
    pub(crate) fn root(&self) -> String {
        format!("/{}/", self.address.split('/').nth(3).unwrap())
    }

    /// Asks for something below the page's path as a browser would.
    pub(crate) fn ask(&self, method: &str, what: &str) -> Reply {
        request(&self.host(), method, &format!("{}{what}", self.root()), &[("Host", &self.host())])
    }

    /// The state.
    pub(crate) fn state(&self) -> Value {
        serde_json::from_slice(&self.ask("GET", "state?after=0").body).unwrap()
    }

    /// A live-view frame behind number `after` and its number; none when none comes for a while.
    pub(crate) fn frame(&self, after: u64) -> Option<(u64, Vec<u8>)> {
        let reply = self.ask("GET", &format!("frame?after={after}"));
        let number = reply.head.lines().find_map(|l| l.strip_prefix("X-Frame: "))?;
        Some((number.parse().unwrap(), reply.body))
    }

    /// The state once something holds of it.
    pub(crate) fn once(&self, mut holds: impl FnMut(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let state = self.state();
            if holds(&state) {
                return state;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "still {state:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Confirms every prompt without a browser until the session ends; answers the prompts and the last
    /// state.
    pub(crate) fn confirm_all(&self) -> (Vec<String>, Value) {
        self.confirm_after(0)
    }

    /// As [`Live::confirm_all`], behind the prompt `answered`.
    pub(crate) fn confirm_after(&self, mut answered: u64) -> (Vec<String>, Value) {
        let mut prompts = Vec::new();
        loop {
            let open = |s: &Value| s["prompt"]["id"].as_u64().is_some_and(|id| id > answered);
            let state = self.once(|s| s["phase"] == "ended" || open(s));
            if state["phase"] == "ended" {
                return (prompts, state);
            }
            answered = state["prompt"]["id"].as_u64().unwrap();
            prompts.push(state["prompt"]["text"].as_str().unwrap().to_owned());
            assert_eq!(self.ask("POST", &format!("confirm?prompt={answered}")).status, 204);
        }
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Output {
        let mut stdout = Vec::new();
        self.stdout.read_to_end(&mut stdout).unwrap();
        let output = self.child.wait_with_output().unwrap();
        Output { stdout, ..output }
    }
}

/// A reply.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One request on a connection of its own.
pub(crate) fn request(host: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let headers: String = headers.iter().map(|(k, v)| format!("{k}: {v}\r\n")).collect();
    write!(stream, "{method} {path} HTTP/1.1\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head, body: bytes[end + 4..].to_vec() }
}
