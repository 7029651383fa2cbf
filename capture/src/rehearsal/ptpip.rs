//! The wire: PTP over IP (CIPA DC-005-2005), a command socket and an event socket on loopback.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    body::{Machine, Reply, Request},
    codec::{Reader, Writer},
    faults::{Moment, WireFault},
};

const INIT_COMMAND: u32 = 1;
const INIT_COMMAND_ACK: u32 = 2;
const INIT_EVENT: u32 = 3;
const INIT_EVENT_ACK: u32 = 4;
const INIT_FAIL: u32 = 5;
const COMMAND: u32 = 6;
const RESPONSE: u32 = 7;
const START_DATA: u32 = 9;
const DATA: u32 = 10;
const END_DATA: u32 = 12;
const PING: u32 = 13;
const PONG: u32 = 14;

/// A longer packet is no PTP/IP: the connection is closed instead of the memory being filled.
const LONGEST_PACKET: u32 = 16 << 20;
/// Bytes of payload in a data packet.
const BLOCK: usize = 1 << 16;

/// The listening side: accepts connections until it is stopped.
pub(super) struct Server {
    machine: Arc<Machine>,
    stop: AtomicBool,
    /// One client at a time holds the body, as on a real one.
    held: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Server {
    pub(super) fn new(machine: Arc<Machine>) -> Arc<Self> {
        Arc::new(Self { machine, stop: AtomicBool::new(false), held: AtomicBool::new(false), open: Mutex::default() })
    }

    /// Serves `listener` until [`Server::stop`].
    pub(super) fn accept(self: Arc<Self>, listener: TcpListener) {
        for stream in listener.incoming() {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else { continue };
            let server = Arc::clone(&self);
            let spawned = thread::Builder::new().name("rehearsal-connection".into()).spawn(move || {
                let peer = stream.peer_addr();
                if let Err(error) = server.connection(stream) {
                    log::debug!("rehearsal camera: connection of {peer:?} ended: {error}");
                }
            });
            if let Err(error) = spawned {
                log::warn!("rehearsal camera: no thread for a connection: {error}");
            }
        }
    }

    /// Closes every connection and makes the accepting thread return.
    pub(super) fn stop(&self, port: u16) {
        self.stop.store(true, Ordering::SeqCst);
        self.disconnect();
        // Wakes the accepting thread, which then sees the flag.
        drop(TcpStream::connect(("127.0.0.1", port)));
    }

    /// Closes every connection, as pulling the cable does.
    pub(super) fn disconnect(&self) {
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn connection(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let Some((kind, payload)) = read_packet(&mut stream)? else { return Ok(()) };
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.retain(|s| s.peer_addr().is_ok());
            open.push(stream.try_clone()?);
        }
        match kind {
            INIT_COMMAND => {
                let patience = Instant::now() + Duration::from_secs(1);
                while self.held.swap(true, Ordering::SeqCst) {
                    if Instant::now() > patience {
                        // Reason 2: busy.
                        return write_packet(&mut stream, INIT_FAIL, &2u32.to_le_bytes());
                    }
                    thread::sleep(Duration::from_millis(5));
                }
                let ended = self.commands(&mut stream);
                self.machine.client_left();
                self.held.store(false, Ordering::SeqCst);
                let _ = stream.shutdown(Shutdown::Both);
                ended
            }
            INIT_EVENT => {
                let id = Reader(&payload).u32().unwrap_or_default();
                log::trace!("rehearsal camera: event socket of connection {id}");
                write_packet(&mut stream, INIT_EVENT_ACK, &[])?;
                // Events are answered to operation 90C7, as Nikon's bodies do; this socket only answers pings.
                while let Some((kind, _)) = read_packet(&mut stream)? {
                    if kind == PING {
                        write_packet(&mut stream, PONG, &[])?;
                    }
                }
                Ok(())
            }
            other => Err(io::Error::new(ErrorKind::InvalidData, format!("packet type {other} opens no connection"))),
        }
    }

    /// The command socket: request, perhaps data, answer; until the client leaves.
    fn commands(&self, stream: &mut TcpStream) -> io::Result<()> {
        let mut ack = Writer::default();
        ack.u32(1).bytes(super::body::GUID);
        for unit in "D5300\0".encode_utf16() {
            ack.u16(unit);
        }
        ack.u32(0x0001_0000);
        write_packet(stream, INIT_COMMAND_ACK, &ack.done())?;
        while let Some((kind, payload)) = read_packet(stream)? {
            match kind {
                COMMAND => {
                    let request = read_request(stream, &payload)?;
                    let (reply, fault) = self.machine.handle(&request);
                    if !self.answer(stream, &request, &reply, fault)? {
                        return Ok(());
                    }
                }
                PING => write_packet(stream, PONG, &[])?,
                // Cancel (11) arrives after the fact: nothing is under way.
                _ => {}
            }
        }
        Ok(())
    }

    /// Sends data and response; false when a fault closed the connection instead.
    fn answer(
        &self,
        stream: &mut TcpStream,
        request: &Request,
        reply: &Reply,
        fault: Option<WireFault>,
    ) -> io::Result<bool> {
        match fault {
            Some(WireFault::Hang { seconds }) => {
                if !self.hang(stream, seconds)? {
                    return Ok(false);
                }
            }
            Some(WireFault::Drop(Moment::Before)) => return Ok(false),
            _ => {}
        }
        if let Some(data) = &reply.data {
            let transaction = request.transaction.to_le_bytes();
            let start = Writer::default().bytes(&transaction).u64(data.len() as u64).done();
            write_packet(stream, START_DATA, &start)?;
            let mut blocks = data.chunks(BLOCK).peekable();
            let mut sent = 0;
            while let Some(block) = blocks.next() {
                if fault == Some(WireFault::Drop(Moment::During)) && (sent + block.len()) * 2 >= data.len() {
                    write_packet(stream, DATA, &[&transaction, &block[..block.len() / 2]].concat())?;
                    return Ok(false);
                }
                let kind = if blocks.peek().is_some() { DATA } else { END_DATA };
                write_packet(stream, kind, &[&transaction, block].concat())?;
                sent += block.len();
            }
            if data.is_empty() {
                write_packet(stream, END_DATA, &transaction)?;
            }
        }
        if matches!(fault, Some(WireFault::Drop(_))) {
            return Ok(false);
        }
        let mut response = Writer::default();
        response.u16(reply.code).u32(request.transaction);
        for p in &reply.parameters {
            response.u32(*p);
        }
        write_packet(stream, RESPONSE, &response.done())?;
        Ok(true)
    }

    /// Answers nothing for a while; false when the client gave up meanwhile.
    fn hang(&self, stream: &TcpStream, seconds: f64) -> io::Result<bool> {
        let until = Instant::now() + Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX / 4);
        stream.set_read_timeout(Some(Duration::from_millis(20)))?;
        while Instant::now() < until {
            match stream.peek(&mut [0]) {
                Ok(0) => return Ok(false),
                Ok(_) => thread::sleep(Duration::from_millis(20)),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(e) => return Err(e),
            }
        }
        stream.set_read_timeout(None)?;
        Ok(true)
    }
}

/// Reads a packet: type and payload. None at the end of the stream.
fn read_packet(stream: &mut TcpStream) -> io::Result<Option<(u32, Vec<u8>)>> {
    let mut header = [0u8; 8];
    match stream.read_exact(&mut header) {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    }
    let mut reader = Reader(&header);
    let (length, kind) = (reader.u32().unwrap_or_default(), reader.u32().unwrap_or_default());
    if !(8..=LONGEST_PACKET).contains(&length) {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("a packet of {length} bytes is no PTP/IP")));
    }
    let mut payload = vec![0u8; length as usize - 8];
    stream.read_exact(&mut payload)?;
    Ok(Some((kind, payload)))
}

fn write_packet(stream: &mut TcpStream, kind: u32, payload: &[u8]) -> io::Result<()> {
    let length = payload.len() as u32 + 8;
    stream.write_all(&[&length.to_le_bytes(), &kind.to_le_bytes(), payload].concat())
}

/// Takes a command packet apart and reads the data that follow when the client sends some.
fn read_request(stream: &mut TcpStream, payload: &[u8]) -> io::Result<Request> {
    let torn = || io::Error::new(ErrorKind::InvalidData, "a command packet is too short");
    let mut reader = Reader(payload);
    let sends_data = reader.u32().ok_or_else(torn)? == 2;
    let code = reader.u16().ok_or_else(torn)?;
    let transaction = reader.u32().ok_or_else(torn)?;
    let mut parameters = Vec::new();
    while let Some(p) = reader.u32() {
        parameters.push(p);
    }
    let mut data = Vec::new();
    while sends_data {
        let Some((kind, payload)) = read_packet(stream)? else {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "the client left in the middle of its data"));
        };
        if matches!(kind, DATA | END_DATA) {
            data.extend_from_slice(payload.get(4..).unwrap_or_default());
        }
        if kind == END_DATA || data.len() > LONGEST_PACKET as usize {
            break;
        }
    }
    Ok(Request { code, transaction, parameters, data })
}
