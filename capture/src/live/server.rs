//! The page's server: loopback only, and only for who knows the address with its token.

use std::{
    fs::File,
    io::Read,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tiny_http::{Header, Method, Request, Response, Server};

use super::Board;
use crate::{Error, review, signals::Stop};

/// Requests that are answered at a time; a page needs three.
const AT_A_TIME: usize = 64;
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
    busy: AtomicUsize,
    /// The last shot's picture, by the shot's place in the plan.
    picture: Mutex<Option<(u32, Vec<u8>)>>,
}

/// What a request is answered with: status, type of content, content.
struct Answer(u16, &'static str, Vec<u8>, Option<u64>);

/// Serves the page from threads of its own until the process ends; answers the page's address.
pub(super) fn start(port: u16, board: &Arc<Board>, stop: &Stop) -> Result<String, Error> {
    let failed = |e: String| Error::Failed(format!("cannot serve a page on port {port} of 127.0.0.1: {e}"));
    let server = Server::http(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .map_err(|e| failed(format!("{e}; choose another with --port, or leave it out")))?;
    let port = server.server_addr().to_ip().ok_or_else(|| failed("no address".into()))?.port();
    let token = token().map_err(|e| failed(format!("no random numbers: {e}")))?;
    let address = format!("http://127.0.0.1:{port}/{token}/");
    let site = Arc::new(Site {
        hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")],
        token,
        board: Arc::clone(board),
        stop: stop.clone(),
        busy: AtomicUsize::new(0),
        picture: Mutex::default(),
    });
    std::thread::spawn(move || {
        for request in server.incoming_requests() {
            let site = Arc::clone(&site);
            // A thread a request: some wait for news, and a client that reads slowly holds up nobody else.
            std::thread::spawn(move || site.serve(request));
        }
    });
    Ok(address)
}

fn token() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

impl Site {
    fn serve(&self, request: Request) {
        let Answer(status, content, body, frame) = if self.busy.fetch_add(1, Ordering::Relaxed) < AT_A_TIME {
            self.answer(&request)
        } else {
            say(503, "too many requests at a time")
        };
        let mut response = Response::from_data(body).with_status_code(status);
        let frame = frame.map(|n| n.to_string());
        let headers = [
            ("Content-Type", content),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", POLICY),
            ("X-Frame", frame.as_deref().unwrap_or("0")),
        ];
        for (name, value) in headers {
            if let Ok(header) = Header::from_bytes(name, value) {
                response.add_header(header);
            }
        }
        // A client that went away: another request will come, or none.
        let _ = request.respond(response);
        self.busy.fetch_sub(1, Ordering::Relaxed);
    }

    fn answer(&self, request: &Request) -> Answer {
        // Another name for this address may be a foreign page's (DNS rebinding), another origin is one.
        let host = header(request, "Host").unwrap_or_default();
        if !self.hosts.iter().any(|h| h == host) {
            return say(403, "this page is served on 127.0.0.1 only");
        }
        if header(request, "Origin").is_some_and(|o| o.strip_prefix("http://") != Some(host)) {
            return say(403, "another page may not use this one");
        }
        let (path, query) = request.url().split_once('?').unwrap_or((request.url(), ""));
        let Some((token, path)) = path.trim_start_matches('/').split_once('/') else {
            return say(404, "open the address that `capture live` printed, with its / at the end");
        };
        if !same(token, &self.token) {
            return say(403, "this address is of another session: open the one that `capture live` printed");
        }
        let number = |key: &str| value(query, key).and_then(|v| v.parse::<i64>().ok());
        match (request.method(), path) {
            (Method::Get, "") => page("text/html; charset=utf-8", include_str!("page.html")),
            (Method::Get, "page.css") => page("text/css; charset=utf-8", include_str!("page.css")),
            (Method::Get, "page.js") => page("text/javascript; charset=utf-8", include_str!("page.js")),
            (Method::Get, "view.js") => page("text/javascript; charset=utf-8", include_str!("view.js")),
            (Method::Get, "state") => self.state(number("after").unwrap_or(0)),
            (Method::Get, "frame") => self.frame(number("after").unwrap_or(0)),
            (Method::Get, "last.jpg") => self.last(),
            (Method::Post, "confirm") => match number("prompt") {
                Some(id) if self.board.confirm(id.unsigned_abs()) => done(),
                Some(_) => say(409, "this prompt was answered already"),
                None => say(400, "which prompt? say prompt=NUMBER"),
            },
            (Method::Post, "focus") => match number("steps") {
                Some(steps @ (-2000..=-1 | 1..=2000)) => match self.board.focus(steps as i32) {
                    Ok(()) => done(),
                    Err(why) => say(409, why),
                },
                _ => say(400, "how far? say steps=NUMBER, -2000 to 2000, nearer below zero"),
            },
            (Method::Post, "pause") => {
                self.board.pause();
                done()
            }
            (Method::Post, "stop") => {
                self.stop.ask();
                self.board.stopping();
                done()
            }
            (_, "confirm" | "focus" | "pause" | "stop") => say(405, "this is asked with POST"),
            (Method::Get, _) => say(404, "no such page"),
            _ => say(405, "this is asked with GET"),
        }
    }

    fn state(&self, after: i64) -> Answer {
        match self.board.newer(after.max(0).unsigned_abs()).map(|s| serde_json::to_vec(&s)) {
            Some(Ok(json)) => Answer(200, "application/json", json, None),
            Some(Err(e)) => say(500, &e.to_string()),
            None => done(),
        }
    }

    fn frame(&self, after: i64) -> Answer {
        match self.board.frame(after.max(0).unsigned_abs()) {
            Some((number, jpeg)) => Answer(200, "image/jpeg", jpeg.to_vec(), Some(number)),
            None => done(),
        }
    }

    fn last(&self) -> Answer {
        let Some(shot) = self.board.last() else { return say(404, "no shot yet") };
        let mut kept = self.picture.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_none_or(|(index, _)| *index != shot.index) {
            *kept = review::thumbnail(&self.board.session(), &shot, PICTURE).map(|jpeg| (shot.index, jpeg));
        }
        match &*kept {
            Some((_, jpeg)) => Answer(200, "image/jpeg", jpeg.clone(), None),
            None => say(404, "this shot has no picture to show"),
        }
    }
}

fn page(content: &'static str, text: &str) -> Answer {
    Answer(200, content, text.into(), None)
}

fn done() -> Answer {
    Answer(204, "text/plain; charset=utf-8", Vec::new(), None)
}

fn say(status: u16, text: &str) -> Answer {
    Answer(status, "text/plain; charset=utf-8", text.into(), None)
}

fn header<'a>(request: &'a Request, name: &'static str) -> Option<&'a str> {
    request.headers().iter().find(|h| h.field.equiv(name)).map(|h| h.value.as_str())
}

fn value<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}

/// Compares without telling by its time how much agrees.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |d, (a, b)| d | (a ^ b)) == 0
}
