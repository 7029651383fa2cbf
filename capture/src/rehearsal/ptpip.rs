//! The wire: PTP over IP (CIPA DC-005-2005), a command socket and an event socket on loopback.

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    body::{Machine, Reply, Request},
    codec::{Reader, Writer},
    faults::{Moment, WireFault},
    packet::{self, Link},
};

/// Bytes of payload in a data packet.
const BLOCK: usize = 1 << 16;

/// The listening side: accepts connections until it is stopped.
pub(super) struct Server {
    machine: Arc<Machine>,
    stop: AtomicBool,
    /// One client at a time holds the body, as on a real one.
    held: AtomicBool,
    connections: AtomicU64,
    open: Mutex<HashMap<u64, TcpStream>>,
    asleep_until: Mutex<Option<Instant>>,
}

impl Server {
    pub(super) fn new(machine: Arc<Machine>) -> Arc<Self> {
        Arc::new(Self {
            machine,
            stop: AtomicBool::new(false),
            held: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            open: Mutex::default(),
            asleep_until: Mutex::default(),
        })
    }

    /// Serves `listener` until [`Server::stop`].
    pub(super) fn accept(self: Arc<Self>, listener: TcpListener) {
        for stream in listener.incoming() {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else { continue };
            if self.asleep() {
                continue;
            }
            let server = Arc::clone(&self);
            let spawned = thread::Builder::new().name("rehearsal-connection".into()).spawn(move || {
                if let Err(error) = server.serve(stream) {
                    log::debug!("rehearsal camera: a connection ended: {error}");
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

    /// Closes every connection and takes none for a while.
    pub(super) fn sleep(&self, seconds: f64) {
        let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(1 << 30));
        *self.asleep_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + time);
        self.disconnect();
    }

    fn asleep(&self) -> bool {
        self.asleep_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    /// Closes every connection, as pulling the cable does.
    pub(super) fn disconnect(&self) {
        for (_, stream) in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain() {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Serves a connection to its end, and closes it: the list of open ones has its socket too.
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let number = self.connections.fetch_add(1, Ordering::SeqCst);
        let list = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        list().insert(number, stream.try_clone()?);
        let mut link = Link::new(stream);
        let ended = self.connection(&mut link);
        list().remove(&number);
        link.close();
        ended
    }

    fn connection(&self, link: &mut Link) -> io::Result<()> {
        let Some((kind, payload)) = link.read()? else { return Ok(()) };
        match kind {
            packet::INIT_COMMAND => {
                let patience = Instant::now() + Duration::from_secs(1);
                while self.held.swap(true, Ordering::SeqCst) {
                    if Instant::now() > patience {
                        // Reason 2: busy.
                        return link.write(packet::INIT_FAIL, &2u32.to_le_bytes());
                    }
                    thread::sleep(Duration::from_millis(5));
                }
                let ended = self.commands(link);
                self.machine.client_left();
                self.held.store(false, Ordering::SeqCst);
                ended
            }
            packet::INIT_EVENT => {
                let id = Reader(&payload).u32().unwrap_or_default();
                log::trace!("rehearsal camera: event socket of connection {id}");
                link.write(packet::INIT_EVENT_ACK, &[])?;
                // Events are answered to operation 90C7, as Nikon's bodies do; this socket only answers pings.
                while let Some((kind, _)) = link.read()? {
                    if kind == packet::PING {
                        link.write(packet::PONG, &[])?;
                    }
                }
                Ok(())
            }
            other => Err(io::Error::new(ErrorKind::InvalidData, format!("packet type {other} opens no connection"))),
        }
    }

    /// The command socket: request, perhaps data, answer; until the client leaves.
    fn commands(&self, link: &mut Link) -> io::Result<()> {
        let mut ack = Writer::default();
        ack.u32(1).bytes(super::body::GUID);
        for unit in "D5300\0".encode_utf16() {
            ack.u16(unit);
        }
        ack.u32(0x0001_0000);
        link.write(packet::INIT_COMMAND_ACK, &ack.done())?;
        while let Some((kind, payload)) = link.read()? {
            match kind {
                packet::COMMAND => {
                    let request = read_request(link, &payload)?;
                    let (reply, fault) = self.machine.handle(&request);
                    if !self.answer(link, &request, &reply, fault)? {
                        return Ok(());
                    }
                }
                packet::PING => link.write(packet::PONG, &[])?,
                // Cancel (11) arrives after the fact: nothing is under way.
                _ => {}
            }
        }
        Ok(())
    }

    /// Sends data and response; false when a fault closed the connection instead.
    fn answer(&self, link: &mut Link, request: &Request, reply: &Reply, fault: Option<WireFault>) -> io::Result<bool> {
        match fault {
            Some(WireFault::Hang { seconds }) if !link.stay_silent(seconds)? => return Ok(false),
            Some(WireFault::Drop(Moment::Before)) => return Ok(false),
            Some(WireFault::Sleep { seconds }) => {
                self.sleep(seconds);
                return Ok(false);
            }
            Some(WireFault::Malformed) => {
                link.write_malformed(request.transaction)?;
                return Ok(true);
            }
            _ => {}
        }
        if let Some(data) = &reply.data {
            let transaction = request.transaction.to_le_bytes();
            let start = Writer::default().bytes(&transaction).u64(data.len() as u64).done();
            link.write(packet::START_DATA, &start)?;
            let mut blocks = data.chunks(BLOCK).peekable();
            let mut sent = 0;
            while let Some(block) = blocks.next() {
                if fault == Some(WireFault::Drop(Moment::During)) && (sent + block.len()) * 2 >= data.len() {
                    link.write(packet::DATA, &[&transaction, &block[..block.len() / 2]].concat())?;
                    return Ok(false);
                }
                let kind = if blocks.peek().is_some() { packet::DATA } else { packet::END_DATA };
                link.write(kind, &[&transaction, block].concat())?;
                sent += block.len();
            }
            if data.is_empty() {
                link.write(packet::END_DATA, &transaction)?;
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
        link.write(packet::RESPONSE, &response.done())?;
        Ok(true)
    }
}

/// Takes a command packet apart and reads the data that follow when the client sends some.
fn read_request(link: &mut Link, payload: &[u8]) -> io::Result<Request> {
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
    while sends_data && data.len() <= packet::LONGEST_PACKET as usize {
        let Some((kind, payload)) = link.read()? else {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "the client left in the middle of its data"));
        };
        if matches!(kind, packet::DATA | packet::END_DATA) {
            data.extend_from_slice(payload.get(4..).unwrap_or_default());
        }
        if kind == packet::END_DATA {
            break;
        }
    }
    Ok(Request { code, transaction, parameters, data })
}
