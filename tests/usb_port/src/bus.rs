//! Which bodies are on the bus, and how libgphoto2 is told.

use std::{
    env,
    ffi::{CStr, CString, c_char, c_int},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::ffi::{self, GPPort};

/// Nikon's USB vendor and the D5300's product number.
pub(crate) const VENDOR: c_int = 0x04b0;
/// See [`VENDOR`].
pub(crate) const PRODUCT: c_int = 0x0431;

/// Every body that is configured, with its path on the bus.
fn configured() -> Vec<(String, SocketAddr)> {
    let list = env::var("VITRINE_USB_BODIES").unwrap_or_default();
    list.split(',')
        .filter_map(|address| address.trim().parse().ok())
        .enumerate()
        .map(|(i, address)| (format!("usb:001,{:03}", i + 7), address))
        .collect()
}

fn listens(address: &SocketAddr) -> bool {
    TcpStream::connect_timeout(address, Duration::from_secs(1)).is_ok()
}

/// The body at a path; `usb:` alone, which auto-detection starts with, is the first one.
pub(crate) fn find(port: &GPPort) -> Option<SocketAddr> {
    // SAFETY: libgphoto2 fills `port` with a string that ends within its 64 bytes before it calls any operation.
    let path = unsafe { CStr::from_ptr(port.settings.usb.port.as_ptr()) }.to_string_lossy().into_owned();
    configured().into_iter().find(|(p, a)| (*p == path || path == "usb:") && listens(a)).map(|(_, a)| a)
}

/// Tells libgphoto2 what kind of port this library serves.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn gp_port_library_type() -> c_int {
    ffi::GP_PORT_USB
}

/// Lists the bus: one entry that matches any `usb:` path, and one for each body that is switched on.
///
/// # Safety
/// `list` is a list that libgphoto2 made.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn gp_port_library_list(list: *mut ffi::GPPortInfoList) -> c_int {
    let mut entries = vec![(String::new(), "^usb:".to_owned())];
    let on = configured().into_iter().filter(|(_, address)| listens(address));
    entries.extend(on.map(|(path, _)| ("Universal Serial Bus".to_owned(), path)));
    for (name, path) in entries {
        let (Ok(name), Ok(path)) = (CString::new(name), CString::new(path)) else { return ffi::GP_ERROR };
        // SAFETY: `list` is libgphoto2's (this function's contract), and so is every entry made for it here; the
        // strings live until the calls return, which copy them.
        let made = unsafe { append(list, name.as_ptr(), path.as_ptr()) };
        if made < 0 {
            return made;
        }
    }
    ffi::GP_OK
}

/// # Safety
/// `list` is a list that libgphoto2 made; `name` and `path` are C strings.
unsafe fn append(list: *mut ffi::GPPortInfoList, name: *const c_char, path: *const c_char) -> c_int {
    let mut info = std::ptr::null_mut();
    // SAFETY: the caller's contract; `info` is set by the first call before the others use it.
    unsafe {
        let made = ffi::gp_port_info_new(&raw mut info);
        if made < 0 {
            return made;
        }
        ffi::gp_port_info_set_type(info, ffi::GP_PORT_USB);
        ffi::gp_port_info_set_name(info, name);
        ffi::gp_port_info_set_path(info, path);
        // Its answer is the entry's index among the named ones: -1 for the nameless first, and no error.
        ffi::gp_port_info_list_append(list, info);
    }
    ffi::GP_OK
}
