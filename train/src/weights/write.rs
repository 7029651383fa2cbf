//! Safetensors, written one tensor after another: a checkpoint takes no memory beside the network's.

use std::{
    collections::{HashMap, HashSet},
    io::{BufWriter, Error as IoError, Write},
    path::Path,
};

use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, tensor::Metadata, tensor::TensorInfo};

use crate::Error;

/// Bytes that are encoded at a time.
const CHUNK: usize = 1 << 16;
/// What the header's length is a multiple of, so that the numbers behind it lie at places of theirs.
const ALIGNMENT: usize = 8;

/// Writes tensors under their names, `f64` and `i64` as they are and others as `f32`, whole or not at all; gives the bytes.
///
/// # Errors
/// What the folder answers, for instance that the disk is full: the file that was there stays. A name that is given twice.
pub(crate) fn write(
    path: &Path,
    mut tensors: Vec<(String, Tensor)>,
    metadata: HashMap<String, String>,
) -> Result<u64, Error> {
    let failed = |e: &dyn std::fmt::Display| Error::Failed(format!("{}: cannot encode: {e}", path.display()));
    // Larger numbers first, so that each lies at a multiple of its size, as the format's own writer has them; then by name.
    tensors.sort_by(|(a, s), (b, t)| kind(t).cmp(&kind(s)).then_with(|| a.cmp(b)));
    let mut names = HashSet::new();
    if let Some((twice, _)) = tensors.iter().find(|(name, _)| !names.insert(name)) {
        return Err(failed(&format!("there are two tensors {twice}")));
    }
    let mut end = 0;
    let place = |(name, tensor): &(String, Tensor)| {
        let (dtype, start) = (kind(tensor), end);
        end += tensor.elem_count() * dtype.bitsize() / 8;
        (name.clone(), TensorInfo { dtype, shape: tensor.dims().to_vec(), data_offsets: (start, end) })
    };
    let places = tensors.iter().map(place).collect();
    let header = Metadata::new(Some(metadata), places).map_err(|e| failed(&e))?;
    let mut header = serde_json::to_vec(&header).map_err(|e| failed(&e))?;
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    manifests::io::write_atomic_with(path, |file| {
        let mut out = BufWriter::with_capacity(CHUNK, file);
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        tensors.into_iter().try_for_each(|(_, tensor)| put(&mut out, &tensor))?;
        out.flush()
    })?;
    Ok((8 + header.len() + end) as u64)
}

/// As what a tensor is written.
fn kind(tensor: &Tensor) -> Dtype {
    match tensor.dtype() {
        DType::F64 => Dtype::F64,
        DType::I64 => Dtype::I64,
        _ => Dtype::F32,
    }
}

fn put(out: &mut impl Write, tensor: &Tensor) -> std::io::Result<()> {
    let flat = tensor.to_device(&Device::Cpu).and_then(|t| t.flatten_all()).map_err(IoError::other)?;
    match kind(tensor) {
        Dtype::F64 => encode(out, &flat.to_vec1::<f64>().map_err(IoError::other)?, f64::to_le_bytes),
        Dtype::I64 => encode(out, &flat.to_vec1::<i64>().map_err(IoError::other)?, i64::to_le_bytes),
        _ => {
            let values = flat.to_dtype(DType::F32).and_then(|t| t.to_vec1::<f32>()).map_err(IoError::other)?;
            encode(out, &values, f32::to_le_bytes)
        }
    }
}

fn encode<T: Copy, const N: usize>(out: &mut impl Write, values: &[T], bytes: fn(T) -> [u8; N]) -> std::io::Result<()> {
    let mut encoded = Vec::with_capacity(CHUNK);
    for part in values.chunks(CHUNK / N) {
        encoded.clear();
        part.iter().for_each(|value| encoded.extend(bytes(*value)));
        out.write_all(&encoded)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;

    #[test]
    fn the_formats_own_reader_finds_every_number() -> Result<(), Error> {
        let folder = tempfile::tempdir().map_err(Error::io(Path::new("."), "create a folder in"))?;
        let path = folder.path().join("a.safetensors");
        let long: Vec<f32> = (0..40_000).map(|i| i as f32 * 0.37 - 5.0).collect();
        let tensors = vec![
            ("b.long".to_owned(), Tensor::new(long.as_slice(), &Device::Cpu)?.reshape((200, 200))?),
            ("a.turned".to_owned(), Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu)?.t()?),
            ("count".to_owned(), Tensor::new(7i64, &Device::Cpu)?),
            ("exact".to_owned(), Tensor::new(&[0.1f64], &Device::Cpu)?),
            ("none".to_owned(), Tensor::zeros((0, 3), DType::F32, &Device::Cpu)?),
        ];
        let written = write(&path, tensors.clone(), HashMap::from([("k".to_owned(), "v".to_owned())]))?;
        let bytes = std::fs::read(&path).map_err(Error::io(&path, "read"))?;
        assert_eq!(written, bytes.len() as u64);
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["k"], "v");
        let raw = |name: &str| file.tensor(name).unwrap().data().to_vec();
        assert_eq!(raw("b.long"), long.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
        assert_eq!(raw("a.turned"), [1f32, 3.0, 2.0, 4.0].map(f32::to_le_bytes).concat());
        assert_eq!((raw("count"), raw("exact")), (7i64.to_le_bytes().to_vec(), 0.1f64.to_le_bytes().to_vec()));
        assert_eq!((file.tensor("none").unwrap().shape(), raw("none").len()), (&[0, 3][..], 0));
        // Numbers lie at multiples of their sizes.
        let start = bytes.len() - raw("b.long").len() - raw("a.turned").len();
        assert!(start.is_multiple_of(8), "{start}");

        let twice = vec![tensors[0].clone(), (tensors[0].0.clone(), tensors[3].1.clone())];
        assert!(write(&path, twice, HashMap::new()).is_err());
        assert_eq!(std::fs::read(&path).map_err(Error::io(&path, "read"))?, bytes, "the file that was there stays");
        Ok(())
    }
}
