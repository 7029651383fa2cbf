//! libgphoto2_port's C interface, as far as a port library needs it.

use std::ffi::{c_char, c_int, c_uint, c_void};

pub(crate) const GP_OK: c_int = 0;
pub(crate) const GP_ERROR: c_int = -1;
pub(crate) const GP_ERROR_TIMEOUT: c_int = -10;
pub(crate) const GP_ERROR_IO_READ: c_int = -34;
pub(crate) const GP_ERROR_IO_WRITE: c_int = -35;
pub(crate) const GP_ERROR_IO_USB_FIND: c_int = -52;
pub(crate) const GP_ERROR_IO_USB_CLAIM: c_int = -53;
pub(crate) const GP_PORT_USB: c_int = 1 << 2;

/// Opaque.
#[repr(C)]
pub(crate) struct GPPortInfoList(c_void);
/// Opaque.
#[repr(C)]
pub(crate) struct GPPortInfo(c_void);

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct UsbSettings {
    pub(crate) inep: c_int,
    pub(crate) outep: c_int,
    pub(crate) intep: c_int,
    pub(crate) config: c_int,
    pub(crate) interface: c_int,
    pub(crate) altsetting: c_int,
    pub(crate) maxpacketsize: c_int,
    pub(crate) port: [c_char; 64],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct SerialSettings {
    port: [c_char; 128],
    speed: c_int,
    bits: c_int,
    parity: c_int,
    stopbits: c_int,
}

/// The largest member decides the size; only `usb` is used.
#[repr(C)]
pub(crate) union Settings {
    pub(crate) usb: UsbSettings,
    serial: SerialSettings,
}

/// An open port, as libgphoto2 hands it to each operation.
#[repr(C)]
pub(crate) struct GPPort {
    kind: c_int,
    pub(crate) settings: Settings,
    settings_pending: Settings,
    /// Milliseconds.
    pub(crate) timeout: c_int,
    /// This library's own: the claimed device.
    pub(crate) device: *mut crate::device::Device,
    core: *mut c_void,
}

#[link(name = "gphoto2_port")]
unsafe extern "C" {
    pub(crate) fn gp_port_info_new(info: *mut *mut GPPortInfo) -> c_int;
    pub(crate) fn gp_port_info_set_type(info: *mut GPPortInfo, kind: c_int) -> c_int;
    pub(crate) fn gp_port_info_set_name(info: *mut GPPortInfo, name: *const c_char) -> c_int;
    pub(crate) fn gp_port_info_set_path(info: *mut GPPortInfo, path: *const c_char) -> c_int;
    pub(crate) fn gp_port_info_list_append(list: *mut GPPortInfoList, info: *mut GPPortInfo) -> c_int;
}

unsafe extern "C" {
    pub(crate) fn malloc(size: usize) -> *mut c_void;
}

type OnPort = unsafe extern "C" fn(*mut GPPort) -> c_int;
type Transfer = unsafe extern "C" fn(*mut GPPort, *mut c_char, c_int) -> c_int;
type Message = unsafe extern "C" fn(*mut GPPort, c_int, c_int, c_int, *mut c_char, c_int) -> c_int;
/// An operation that this bus does not have.
type Absent = Option<unsafe extern "C" fn()>;

/// `struct _GPPortOperations`, in the order of libgphoto2 2.5.30.
#[repr(C)]
pub(crate) struct Operations {
    pub(crate) init: OnPort,
    pub(crate) exit: OnPort,
    pub(crate) open: OnPort,
    pub(crate) close: OnPort,
    pub(crate) read: Transfer,
    pub(crate) check_int: Transfer,
    pub(crate) write: unsafe extern "C" fn(*mut GPPort, *const c_char, c_int) -> c_int,
    pub(crate) update: OnPort,
    pub(crate) get_pin: Absent,
    pub(crate) set_pin: Absent,
    pub(crate) send_break: Absent,
    pub(crate) flush: Absent,
    pub(crate) find_device: unsafe extern "C" fn(*mut GPPort, c_int, c_int) -> c_int,
    pub(crate) find_device_by_class: unsafe extern "C" fn(*mut GPPort, c_int, c_int, c_int) -> c_int,
    pub(crate) clear_halt: unsafe extern "C" fn(*mut GPPort, c_int) -> c_int,
    pub(crate) msg_write: Message,
    pub(crate) msg_read: Message,
    pub(crate) msg_interface_write: Message,
    pub(crate) msg_interface_read: Message,
    pub(crate) msg_class_write: Message,
    pub(crate) msg_class_read: Message,
    pub(crate) seek: Absent,
    pub(crate) send_scsi_cmd: Absent,
    pub(crate) reset: OnPort,
}

const _: () = {
    // What gphoto2-port.h gives on every 64-bit Linux.
    assert!(size_of::<Settings>() == 144);
    assert!(std::mem::offset_of!(GPPort, timeout) == 4 + 2 * 144);
    assert!(size_of::<c_uint>() == 4);
};
