//! HTTP on a socket, as much as the page needs: one request a connection, each on a thread of its own and within time
//! limits, so that a client that stalls holds up nobody. The crate `httparse` reads the heads.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A browser's request heads have about 700 bytes.
const HEAD_BYTES: usize = 16 << 10;
/// Headers in one head.
const HEADERS: usize = 64;
/// How long a client may take to send its head, and to take in what is sent.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at a time; a page needs three, and opens six.
const CONNECTIONS: usize = 128;

/// A request without a body.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// What a request is answered with.
pub(super) struct Answer {
    /// Status code.
    pub(super) status: u16,
    /// Type of the content.
    pub(super) content: &'static str,
    pub(super) body: Vec<u8>,
    /// Further headers.
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Answer {
    /// A sentence.
    pub(super) fn say(status: u16, text: &str) -> Self {
        Self { status, content: "text/plain; charset=utf-8", body: text.into(), headers: Vec::new() }
    }
}

/// Answers connections until the process ends; `open` counts those that are open.
pub(super) fn serve(
    listener: &TcpListener,
    open: &Arc<AtomicUsize>,
    answer: Arc<dyn Fn(&Request) -> Answer + Send + Sync>,
) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else {
            // Out of descriptors, perhaps: some will be free again.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (answer, count) = (Arc::clone(&answer), Arc::clone(open));
        let handle = move || {
            // A client that went away: another request will come, or none.
            let _ = exchange(&mut stream, &*answer);
            let _ = stream.shutdown(Shutdown::Both);
            count.fetch_sub(1, Ordering::Relaxed);
        };
        if thread::Builder::new().name("page".into()).spawn(handle).is_err() {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn exchange(stream: &mut TcpStream, answer: &dyn Fn(&Request) -> Answer) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let answer = match read(stream)? {
        Ok(request) => answer(&request),
        Err(refused) => refused,
    };
    write(stream, answer)
}

/// Reads a request's head; the inner error is what a head that cannot be used is answered with.
fn read(stream: &mut TcpStream) -> io::Result<Result<Request, Answer>> {
    let deadline = Instant::now() + PATIENCE;
    let mut bytes = Vec::new();
    let mut part = [0; 2048];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let n = stream.read(&mut part)?;
        if n == 0 || left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        bytes.extend_from_slice(&part[..n]);
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        match head.parse(&bytes) {
            Ok(httparse::Status::Complete(_)) => return Ok(take(&head)),
            Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES => {}
            Ok(httparse::Status::Partial) => return Ok(Err(Answer::say(431, "too long a request"))),
            Err(e) => return Ok(Err(Answer::say(400, &format!("no HTTP request: {e}")))),
        }
    }
}

fn take(head: &httparse::Request<'_, '_>) -> Result<Request, Answer> {
    let (Some(method), Some(target)) = (head.method, head.path) else {
        return Err(Answer::say(400, "no HTTP request"));
    };
    let text = |v: &[u8]| String::from_utf8_lossy(v).trim().to_owned();
    let headers: Vec<_> = head.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect();
    let request = Request { method: method.to_owned(), target: target.to_owned(), headers };
    if request.header("Content-Length").is_some_and(|n| n != "0") || request.header("Transfer-Encoding").is_some() {
        return Err(Answer::say(413, "a request here has no body"));
    }
    Ok(request)
}

fn write(stream: &mut TcpStream, answer: Answer) -> io::Result<()> {
    let Answer { status, content, body, headers } = answer;
    let mut head = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: {content}\r\nConnection: close\r\n",
        if status < 400 { "OK" } else { "No" }
    );
    if status != 204 {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}
