//! A USB bus without hardware: a port library that libgphoto2 loads in place of its own.
//!
//! libgphoto2 loads its ports as shared libraries from the folder in `IOLIBS`. This one announces a "usb" port and
//! carries the PTP containers of USB's bulk pipes to rehearsal cameras, which it reaches as PTP/IP servers on loopback.
//! So auto-detection, a claimed device, a pulled cable and USB's own time-outs go through libgphoto2's real code.
//!
//! `VITRINE_USB_BODIES` lists the bodies on the bus as `address:port`, separated by commas; the first is `usb:001,007`,
//! the next `usb:001,008` and so on. A body that does not listen is not on the bus.
//!
//! The layouts follow gphoto2-port.h and libgphoto2_port 0.12 (libgphoto2 2.5.30), whose table of operations is not in
//! the installed headers.

mod bus;
mod device;
mod ffi;
mod operations;
