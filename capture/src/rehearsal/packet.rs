//! Packets of PTP over IP: a length, a type, a payload.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use super::codec::Reader;

pub(super) const INIT_COMMAND: u32 = 1;
pub(super) const INIT_COMMAND_ACK: u32 = 2;
pub(super) const INIT_EVENT: u32 = 3;
pub(super) const INIT_EVENT_ACK: u32 = 4;
pub(super) const INIT_FAIL: u32 = 5;
pub(super) const COMMAND: u32 = 6;
pub(super) const RESPONSE: u32 = 7;
pub(super) const START_DATA: u32 = 9;
pub(super) const DATA: u32 = 10;
pub(super) const END_DATA: u32 = 12;
pub(super) const PING: u32 = 13;
pub(super) const PONG: u32 = 14;

/// A longer packet is no PTP/IP: the connection is closed instead of the memory being filled.
pub(super) const LONGEST_PACKET: u32 = 16 << 20;
/// One connection.
pub(super) struct Link {
    stream: TcpStream,
    /// What arrived while the body was silent.
    unread: Vec<u8>,
}

impl Link {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new() }
    }

    /// Reads a packet: type and payload. None at the end of the stream.
    pub(super) fn read(&mut self) -> io::Result<Option<(u32, Vec<u8>)>> {
        let mut header = [0u8; 8];
        match self.fill(&mut header) {
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
        self.fill(&mut payload)?;
        Ok(Some((kind, payload)))
    }

    pub(super) fn write(&mut self, kind: u32, payload: &[u8]) -> io::Result<()> {
        let length = payload.len() as u32 + 8;
        self.stream.write_all(&[&length.to_le_bytes(), &kind.to_le_bytes(), payload].concat())
    }

    /// Writes what no body should: a different kind of nonsense for each transaction.
    pub(super) fn write_malformed(&mut self, transaction: u32) -> io::Result<()> {
        let id = transaction.to_le_bytes();
        match transaction % 5 {
            // A response that is shorter than its own header.
            0 => self.stream.write_all(&[&4u32.to_le_bytes()[..], &RESPONSE.to_le_bytes()].concat()),
            // A response that ends before its code.
            1 => self.write(RESPONSE, &[0x01]),
            // Data without a beginning, for another transaction.
            2 => self.write(END_DATA, &[0xFF; 64]),
            // A terabyte announced and two bytes sent.
            3 => {
                self.write(START_DATA, &[&id[..], &(1u64 << 40).to_le_bytes()].concat())?;
                self.write(END_DATA, &[&id[..], &[1, 2]].concat())
            }
            // No packet at all, of the greatest length.
            _ => self.stream.write_all(&[0xFF; 32]),
        }
    }

    /// Says nothing for a while; false when the client gave up meanwhile.
    pub(super) fn stay_silent(&mut self, seconds: f64) -> io::Result<bool> {
        let until = Instant::now() + Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(1 << 30));
        self.stream.set_read_timeout(Some(Duration::from_millis(20)))?;
        let mut block = [0u8; 512];
        while Instant::now() < until {
            match self.stream.read(&mut block) {
                Ok(0) => return Ok(false),
                Ok(n) => self.unread.extend_from_slice(&block[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(e) => return Err(e),
            }
        }
        self.stream.set_read_timeout(None)?;
        Ok(true)
    }

    /// Closes the connection, whoever else has its socket.
    pub(super) fn close(&self) {
        // The client may have closed it first.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// libgphoto2 writes a small packet and then another; with Nagle's algorithm its second waits for our
    /// acknowledgement of the first, which Linux delays by 40 ms unless it is asked anew before every read.
    fn acknowledge_at_once(&self) {
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::net::sockopt::set_tcp_quickack(&self.stream, true) {
            log::trace!("rehearsal camera: acknowledgements stay delayed: {error}");
        }
    }

    fn fill(&mut self, to: &mut [u8]) -> io::Result<()> {
        let kept = self.unread.len().min(to.len());
        to[..kept].copy_from_slice(&self.unread[..kept]);
        self.unread.drain(..kept);
        self.acknowledge_at_once();
        self.stream.read_exact(&mut to[kept..])
    }
}
