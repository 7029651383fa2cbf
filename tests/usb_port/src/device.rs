//! A claimed device: USB bulk transfers of PTP containers on one side, PTP/IP packets on the other.

use std::{
    ffi::c_int,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::ffi;

/// Bytes of a bulk packet at high speed. A transfer that is a multiple of it ends with an empty packet.
const PACKET: usize = 512;

/// PTP container types on USB (PIMA 15740, annex D).
const COMMAND: u16 = 1;
const DATA: u16 = 2;
const RESPONSE: u16 = 3;

/// PTP/IP packet types (CIPA DC-005).
mod ptpip {
    pub(super) const INIT_COMMAND: u32 = 1;
    pub(super) const INIT_ACK: u32 = 2;
    pub(super) const COMMAND: u32 = 6;
    pub(super) const RESPONSE: u32 = 7;
    pub(super) const START_DATA: u32 = 9;
    pub(super) const DATA: u32 = 10;
    pub(super) const END_DATA: u32 = 12;
}

/// What a bulk transfer came to, as libgphoto2 wants it.
pub(crate) type Outcome<T> = Result<T, c_int>;

/// A body that this process holds.
pub(crate) struct Device {
    stream: TcpStream,
    /// Bytes from the body that are no whole packet yet.
    received: Vec<u8>,
    /// Bytes from libgphoto2 that are no whole container yet.
    written: Vec<u8>,
    /// A command that is held back until it is known whether data follow, which PTP/IP says up front and USB does not.
    command: Option<Container>,
    /// Code of the command under way, which its data container repeats.
    operation: u16,
    /// Data of the answer under way.
    data: Vec<u8>,
    /// The transfer that libgphoto2 reads next, and how far it has read it.
    transfer: Option<(Vec<u8>, usize)>,
}

struct Container {
    code: u16,
    transaction: u32,
    payload: Vec<u8>,
}

impl Device {
    /// Connects and claims. Another program that holds the body makes this a claim error, as on a real bus.
    pub(crate) fn claim(address: SocketAddr) -> Outcome<Self> {
        let stream =
            TcpStream::connect_timeout(&address, Duration::from_secs(2)).map_err(|_| ffi::GP_ERROR_IO_USB_FIND)?;
        stream.set_nodelay(true).map_err(|_| ffi::GP_ERROR)?;
        let mut device = Self {
            stream,
            received: Vec::new(),
            written: Vec::new(),
            command: None,
            operation: 0,
            data: Vec::new(),
            transfer: None,
        };
        let mut hello = vec![0; 16];
        hello.extend("usb\0".encode_utf16().flat_map(u16::to_le_bytes));
        hello.extend(0x0001_0000_u32.to_le_bytes());
        device.send(ptpip::INIT_COMMAND, &hello)?;
        match device.packet(Instant::now() + Duration::from_secs(5))? {
            (ptpip::INIT_ACK, _) => Ok(device),
            _ => Err(ffi::GP_ERROR_IO_USB_CLAIM),
        }
    }

    fn send(&mut self, kind: u32, payload: &[u8]) -> Outcome<()> {
        let length = (payload.len() as u32 + 8).to_le_bytes();
        self.stream.write_all(&[&length, &kind.to_le_bytes(), payload].concat()).map_err(|_| ffi::GP_ERROR_IO_WRITE)
    }

    /// The next packet from the body. What has arrived of one stays for the next call when time runs out.
    fn packet(&mut self, deadline: Instant) -> Outcome<(u32, Vec<u8>)> {
        loop {
            if let Some(length) = le32(&self.received, 0).map(|l| l as usize)
                && length >= 8
                && self.received.len() >= length
            {
                let packet: Vec<u8> = self.received.drain(..length).collect();
                return Ok((le32(&packet, 4).unwrap_or_default(), packet[8..].to_vec()));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ffi::GP_ERROR_TIMEOUT);
            }
            self.stream.set_read_timeout(Some(left)).map_err(|_| ffi::GP_ERROR)?;
            let mut block = [0; 1 << 16];
            match self.stream.read(&mut block) {
                Ok(0) => return Err(ffi::GP_ERROR_IO_READ),
                Ok(n) => self.received.extend_from_slice(&block[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return Err(ffi::GP_ERROR_IO_READ),
            }
        }
    }

    /// Bulk out: takes bytes and passes on the containers that they complete.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.written.extend_from_slice(bytes);
        while let Some(length) = le32(&self.written, 0).map(|l| l as usize)
            && self.written.len() >= length.max(12)
        {
            let bytes: Vec<u8> = self.written.drain(..length.max(12)).collect();
            let container = Container {
                code: u16::from_le_bytes([bytes[6], bytes[7]]),
                transaction: le32(&bytes, 8).unwrap_or_default(),
                payload: bytes[12..].to_vec(),
            };
            match u16::from_le_bytes([bytes[4], bytes[5]]) {
                COMMAND => {
                    self.transfer = None;
                    self.data.clear();
                    self.command = Some(container);
                }
                DATA => {
                    self.release_command(true)?;
                    let transaction = container.transaction.to_le_bytes();
                    let start = [&transaction[..], &(container.payload.len() as u64).to_le_bytes()].concat();
                    self.send(ptpip::START_DATA, &start)?;
                    self.send(ptpip::END_DATA, &[&transaction, container.payload.as_slice()].concat())?;
                }
                _ => return Err(ffi::GP_ERROR_IO_WRITE),
            }
        }
        Ok(())
    }

    /// Sends the command that was held back.
    fn release_command(&mut self, data_follow: bool) -> Outcome<()> {
        let Some(command) = self.command.take() else { return Ok(()) };
        self.operation = command.code;
        let phase: u32 = if data_follow { 2 } else { 1 };
        let mut payload = phase.to_le_bytes().to_vec();
        payload.extend(command.code.to_le_bytes());
        payload.extend(command.transaction.to_le_bytes());
        payload.extend(&command.payload);
        self.send(ptpip::COMMAND, &payload)
    }

    /// Bulk in: up to `size` bytes of the transfer under way; a short or empty one ends it.
    pub(crate) fn read(&mut self, size: usize, deadline: Instant) -> Outcome<Vec<u8>> {
        if self.transfer.is_none() {
            self.release_command(false)?;
            self.transfer = Some((self.container(deadline)?, 0));
        }
        let Some((transfer, at)) = &mut self.transfer else { return Err(ffi::GP_ERROR) };
        let end = transfer.len().min(*at + size);
        let part = transfer[*at..end].to_vec();
        *at = end;
        // A whole number of packets is over only after the empty packet; libgphoto2 reads that one too.
        if end == transfer.len() && (part.len() < size || !transfer.len().is_multiple_of(PACKET)) {
            self.transfer = None;
        }
        Ok(part)
    }

    /// The next container of the answer: the data if there are any, then the response.
    fn container(&mut self, deadline: Instant) -> Outcome<Vec<u8>> {
        loop {
            let (kind, payload) = self.packet(deadline)?;
            let body = payload.get(4..).unwrap_or_default();
            match kind {
                ptpip::START_DATA => self.data.clear(),
                ptpip::DATA => self.data.extend_from_slice(body),
                ptpip::END_DATA => {
                    self.data.extend_from_slice(body);
                    let transaction = le32(&payload, 0).unwrap_or_default();
                    let data = std::mem::take(&mut self.data);
                    return Ok(usb_container(DATA, self.operation, transaction, &data));
                }
                ptpip::RESPONSE => {
                    let code = u16::from_le_bytes([
                        payload.first().copied().unwrap_or(0),
                        payload.get(1).copied().unwrap_or(0),
                    ]);
                    let transaction = le32(&payload, 2).unwrap_or_default();
                    return Ok(usb_container(RESPONSE, code, transaction, payload.get(6..).unwrap_or_default()));
                }
                _ => {}
            }
        }
    }
}

fn usb_container(kind: u16, code: u16, transaction: u32, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32 + 12;
    [&length.to_le_bytes()[..], &kind.to_le_bytes(), &code.to_le_bytes(), &transaction.to_le_bytes(), payload].concat()
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
