//! How the process gives memory back.

/// Asks the C library to keep freed buffers of the size of pictures for the next one, instead of giving them back to the
/// system and faulting fresh pages in thousands of times a second. What is larger, as photographs being read are, is given
/// back at once as before. Programs call it once, first thing; no byte of any sample depends on it.
pub fn keep_buffers() {
    #[cfg(target_env = "gnu")]
    for (parameter, bytes) in
        [(libc::M_MMAP_THRESHOLD, 4 << 20), (libc::M_TRIM_THRESHOLD, 64 << 20), (libc::M_TOP_PAD, 1 << 20)]
    {
        // SAFETY: mallopt takes two integers and may be called at any time; a parameter that it refuses changes nothing.
        unsafe { libc::mallopt(parameter, bytes) };
    }
}
