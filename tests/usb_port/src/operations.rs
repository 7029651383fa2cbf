//! The table of operations that libgphoto2 calls.

use std::{
    ffi::{c_char, c_int},
    time::{Duration, Instant},
};

use crate::{
    bus,
    device::{Device, Outcome},
    ffi::{self, GPPort, Operations},
};

/// Gives libgphoto2 a table of its own, which it frees with the port.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn gp_port_library_operations() -> *mut Operations {
    // SAFETY: malloc's memory is aligned for any struct of pointers, and written only when there is some.
    unsafe {
        let table = ffi::malloc(size_of::<Operations>()).cast::<Operations>();
        if !table.is_null() {
            table.write(OPERATIONS);
        }
        table
    }
}

const OPERATIONS: Operations = Operations {
    init: nothing,
    exit: close,
    open,
    close,
    read,
    check_int,
    write,
    update: nothing,
    get_pin: None,
    set_pin: None,
    send_break: None,
    flush: None,
    find_device,
    find_device_by_class,
    clear_halt,
    msg_write: message,
    msg_read: message,
    msg_interface_write: message,
    msg_interface_read: message,
    msg_class_write: message,
    msg_class_read: message,
    seek: None,
    send_scsi_cmd: None,
    reset: nothing,
};

/// # Safety
/// `port` is the port that libgphoto2 calls an operation of this table with.
unsafe fn port<'a>(port: *mut GPPort) -> &'a mut GPPort {
    // SAFETY: libgphoto2 calls with a port that it made and that nothing else uses meanwhile.
    unsafe { &mut *port }
}

fn code(outcome: Outcome<c_int>) -> c_int {
    outcome.unwrap_or_else(|error| error)
}

unsafe extern "C" fn nothing(_: *mut GPPort) -> c_int {
    ffi::GP_OK
}

unsafe extern "C" fn open(p: *mut GPPort) -> c_int {
    // SAFETY: an operation of the table.
    let port = unsafe { port(p) };
    let claimed = bus::find(port).ok_or(ffi::GP_ERROR_IO_USB_FIND).and_then(Device::claim);
    code(claimed.map(|device| {
        port.device = Box::into_raw(Box::new(device));
        ffi::GP_OK
    }))
}

unsafe extern "C" fn close(p: *mut GPPort) -> c_int {
    // SAFETY: an operation of the table.
    let port = unsafe { port(p) };
    let device = std::mem::replace(&mut port.device, std::ptr::null_mut());
    if !device.is_null() {
        // SAFETY: `open` made it with Box::into_raw, and it is forgotten here.
        drop(unsafe { Box::from_raw(device) });
    }
    ffi::GP_OK
}

/// # Safety
/// As [`port`].
unsafe fn with_device(p: *mut GPPort, act: impl FnOnce(&mut Device, Instant) -> Outcome<c_int>) -> c_int {
    // SAFETY: the caller's contract.
    let port = unsafe { port(p) };
    let deadline = Instant::now() + Duration::from_millis(u64::try_from(port.timeout).unwrap_or(0));
    // SAFETY: null, or made by `open` and not yet closed.
    match unsafe { port.device.as_mut() } {
        Some(device) => code(act(device, deadline)),
        None => ffi::GP_ERROR,
    }
}

unsafe extern "C" fn read(p: *mut GPPort, bytes: *mut c_char, size: c_int) -> c_int {
    let act = |device: &mut Device, deadline| {
        let part = device.read(usize::try_from(size).unwrap_or(0), deadline)?;
        // SAFETY: libgphoto2 gives room for `size` bytes, and `part` is no longer than that.
        unsafe { std::ptr::copy_nonoverlapping(part.as_ptr(), bytes.cast(), part.len()) };
        c_int::try_from(part.len()).map_err(|_| ffi::GP_ERROR)
    };
    // SAFETY: an operation of the table.
    unsafe { with_device(p, act) }
}

unsafe extern "C" fn write(p: *mut GPPort, bytes: *const c_char, size: c_int) -> c_int {
    // SAFETY: libgphoto2 gives `size` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), usize::try_from(size).unwrap_or(0)) };
    // SAFETY: an operation of the table.
    unsafe { with_device(p, |device, _| device.write(bytes).map(|()| size)) }
}

/// Nikon's bodies are polled for events; the interrupt pipe stays silent.
unsafe extern "C" fn check_int(_: *mut GPPort, _: *mut c_char, _: c_int) -> c_int {
    ffi::GP_ERROR_TIMEOUT
}

unsafe extern "C" fn find_device(p: *mut GPPort, vendor: c_int, product: c_int) -> c_int {
    // SAFETY: an operation of the table.
    let port = unsafe { port(p) };
    if (vendor, product) != (bus::VENDOR, bus::PRODUCT) || bus::find(port).is_none() {
        return ffi::GP_ERROR_IO_USB_FIND;
    }
    // SAFETY: a USB port's settings are USB settings.
    let usb = unsafe { &mut port.settings.usb };
    (usb.config, usb.interface, usb.altsetting) = (1, 0, 0);
    (usb.inep, usb.outep, usb.intep, usb.maxpacketsize) = (0x81, 0x02, 0x83, 512);
    ffi::GP_OK
}

unsafe extern "C" fn find_device_by_class(_: *mut GPPort, _: c_int, _: c_int, _: c_int) -> c_int {
    ffi::GP_ERROR_IO_USB_FIND
}

unsafe extern "C" fn clear_halt(_: *mut GPPort, _: c_int) -> c_int {
    ffi::GP_OK
}

/// Control transfers are taken and change nothing.
unsafe extern "C" fn message(_: *mut GPPort, _: c_int, _: c_int, _: c_int, _: *mut c_char, size: c_int) -> c_int {
    size
}
