//! WebDataset: `SPLIT-000000.tar`, ... of up to 1000 samples, each as `000123.mixture.png`, `.background.png`,
//! `.reflection.png` and `.json` (its line of the manifest), one after another.
//!
//! The tar files are POSIX USTAR (IEEE 1003.1, pax, "ustar Interchange Format") with owner 0 and time 0: equal samples
//! are equal files.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use super::splits;
use crate::{dataset::DatasetReader, error::Error, progress::Progress};

/// Samples in a tar file.
const SAMPLES: usize = 1000;
const BLOCK: usize = 512;

pub(super) fn write(reader: &DatasetReader, out: &Path, progress: &Progress) -> Result<(), Error> {
    for (split, samples) in splits(reader) {
        for (n, group) in samples.chunks(SAMPLES).enumerate() {
            let path = out.join(format!("{split}-{n:06}.tar"));
            let told = |e| Error::io(&path, "write")(e);
            let mut tar = BufWriter::new(File::create(&path).map_err(told)?);
            for i in group {
                let (paths, sample) = (reader.paths(*i), &reader.samples[*i]);
                for (layer, file) in
                    [("mixture", paths.mixture), ("background", paths.background), ("reflection", paths.reflection)]
                {
                    let bytes = std::fs::read(&file).map_err(Error::io(&file, "read"))?;
                    append(&mut tar, &format!("{:06}.{layer}.png", sample.index), &bytes).map_err(told)?;
                }
                let line = serde_json::to_vec(sample).map_err(|e| told(e.into()))?;
                append(&mut tar, &format!("{:06}.json", sample.index), &line).map_err(told)?;
                progress.step(1);
            }
            // Two empty blocks end the archive.
            tar.write_all(&[0; 2 * BLOCK]).and_then(|()| tar.flush()).map_err(told)?;
        }
    }
    Ok(())
}

/// Appends a regular file; its name is shorter than 100 bytes and its length below 8 GiB.
fn append(tar: &mut impl Write, name: &str, bytes: &[u8]) -> std::io::Result<()> {
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
