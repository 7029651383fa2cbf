//! Writes tar files: POSIX USTAR (IEEE 1003.1, pax, "ustar Interchange Format") with owner 0 and time 0, so that equal
//! samples are equal files.

use std::io::Write;

const BLOCK: usize = 512;
/// Two empty blocks end an archive.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Appends a regular file; its name is shorter than 100 bytes and its length below 8 GiB.
pub(crate) fn append(tar: &mut impl Write, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut header = [0u8; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{:011o}", bytes.len()));
    put(136, "00000000000");
    // The checksum is taken with its own field full of blanks.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\0");
    put(263, "00");
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.write_all(&header)?;
    tar.write_all(bytes)?;
    tar.write_all(&vec![0; bytes.len().next_multiple_of(BLOCK) - bytes.len()])
}
