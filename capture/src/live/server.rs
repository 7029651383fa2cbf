//! The page's server: loopback only, and only for who knows the address with its token.

use std::{
    fs::File,
    io::Read,
    net::{Ipv4Addr, TcpListener},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    Board,
    http::{self, Answer, Request},
};
use crate::{Error, signals::Stop, thumbnail};

/// Columns of the last shot's picture.
const PICTURE: u32 = 480;

/// What a browser lets the page do: nothing beyond this server.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'";

/// What every request needs.
struct Site {
    /// `127.0.0.1:PORT` and `localhost:PORT`: what a browser that means this page sends as the host.
    hosts: [String; 2],
    /// In the page's path: 128 random bits, so that neither other users of this computer nor other pages get in.
    token: String,
    board: Arc<Board>,
    stop: Stop,
    /// The last shot's picture, by the shot's place in the plan.
    picture: Mutex<Option<(u32, Vec<u8>)>>,
}

/// A page that is served from threads of its own until the process ends.
pub(super) struct Page {
    /// Its address.
    pub(super) address: String,
    open: Arc<AtomicUsize>,
}

impl Page {
    /// Connections that are open.
    pub(super) fn requests(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

/// Serves the page.
pub(super) fn start(port: u16, board: &Arc<Board>, stop: &Stop) -> Result<Page, Error> {
    let failed = |e: String| Error::Failed(format!("cannot serve a page on port {port} of 127.0.0.1: {e}"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map_err(|e| failed(format!("{e}; choose another with --port, or leave it out")))?;
    let port = listener.local_addr().map_err(|e| failed(e.to_string()))?.port();
    let token = token().map_err(|e| failed(format!("no random numbers: {e}")))?;
    let address = format!("http://127.0.0.1:{port}/{token}/");
    let site = Site {
        hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")],
        token,
        board: Arc::clone(board),
        stop: stop.clone(),
        picture: Mutex::default(),
    };
    let open = Arc::new(AtomicUsize::new(0));
    let page = Page { address, open: Arc::clone(&open) };
    let answer = move |request: &Request| with_headers(site.answer(request));
    std::thread::spawn(move || http::serve(&listener, &open, Arc::new(answer)));
    Ok(page)
}

/// What every answer says to the browser.
fn with_headers(mut answer: Answer) -> Answer {
    let headers = [
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", POLICY),
    ];
    answer.headers.extend(headers.map(|(name, value)| (name, value.to_owned())));
    answer
}

fn token() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

impl Site {
    fn answer(&self, request: &Request) -> Answer {
        // Another name for this address may be a foreign page's (DNS rebinding), another origin is one.
        let host = request.header("Host").unwrap_or_default();
        if !self.hosts.iter().any(|h| h == host) {
            return say(403, "this page is served on 127.0.0.1 only");
        }
        if request.header("Origin").is_some_and(|o| o.strip_prefix("http://") != Some(host)) {
            return say(403, "another page may not use this one");
        }
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let Some((token, path)) = path.trim_start_matches('/').split_once('/') else {
            return say(404, "open the address that `capture live` printed, with its / at the end");
        };
        if !same(token, &self.token) {
            return say(403, "this address is of another session: open the one that `capture live` printed");
        }
        let number = |key: &str| value(query, key).and_then(|v| v.parse::<i64>().ok());
        match (request.method.as_str(), path) {
            ("GET", "") => page("text/html; charset=utf-8", include_str!("page.html")),
            ("GET", "page.css") => page("text/css; charset=utf-8", include_str!("page.css")),
            ("GET", "page.js") => page("text/javascript; charset=utf-8", include_str!("page.js")),
            ("GET", "view.js") => page("text/javascript; charset=utf-8", include_str!("view.js")),
            ("GET", "state") => self.state(number("after").unwrap_or(0)),
            ("GET", "frame") => self.frame(number("after").unwrap_or(0)),
            ("GET", "last.jpg") => self.last(),
            ("POST", "confirm") => match number("prompt") {
                Some(id) if self.board.confirm(id.unsigned_abs()) => done(),
                Some(_) => say(409, "this prompt was answered already"),
                None => say(400, "which prompt? say prompt=NUMBER"),
            },
            ("POST", "focus") => match number("steps") {
                Some(steps @ (-2000..=-1 | 1..=2000)) => match self.board.focus(steps as i32) {
                    Ok(()) => done(),
                    Err(why) => say(409, why),
                },
                _ => say(400, "how far? say steps=NUMBER, -2000 to 2000, nearer below zero"),
            },
            ("POST", "pause") => {
                self.board.pause();
                done()
            }
            ("POST", "stop") => {
                self.stop.ask();
                self.board.stopping();
                done()
            }
            (_, "confirm" | "focus" | "pause" | "stop") => say(405, "this is asked with POST"),
            ("GET", _) => say(404, "no such page"),
            _ => say(405, "this is asked with GET"),
        }
    }

    fn state(&self, after: i64) -> Answer {
        match self.board.newer(after.max(0).unsigned_abs()).map(|s| serde_json::to_vec(&s)) {
            Some(Ok(json)) => whole("application/json", json),
            Some(Err(e)) => say(500, &e.to_string()),
            None => done(),
        }
    }

    fn frame(&self, after: i64) -> Answer {
        match self.board.frame(after.max(0).unsigned_abs()) {
            Some((number, jpeg)) => {
                Answer { headers: vec![("X-Frame", number.to_string())], ..whole("image/jpeg", jpeg.to_vec()) }
            }
            None => done(),
        }
    }

    fn last(&self) -> Answer {
        let Some(shot) = self.board.last() else { return say(404, "no shot yet") };
        let mut kept = self.picture.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_none_or(|(index, _)| *index != shot.index) {
            *kept = thumbnail::of_file(&self.board.session(), &shot.files, PICTURE).map(|jpeg| (shot.index, jpeg));
        }
        match &*kept {
            Some((_, jpeg)) => whole("image/jpeg", jpeg.clone()),
            None => say(404, "this shot has no picture to show"),
        }
    }
}

fn page(content: &'static str, text: &str) -> Answer {
    whole(content, text.into())
}

fn whole(content: &'static str, body: Vec<u8>) -> Answer {
    Answer { status: 200, content, body, headers: Vec::new() }
}

fn done() -> Answer {
    say(204, "")
}

fn say(status: u16, text: &str) -> Answer {
    Answer::say(status, text)
}

fn value<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}

/// Compares without telling by its time how much agrees.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |d, (a, b)| d | (a ^ b)) == 0
}
