//! Files of `torch.save`: zip archives, and the older sequence of pickles that torchvision's first weights come in.

use std::{
    collections::{BTreeMap, HashMap},
    io::{Cursor, Read},
};

use super::{
    Tensors,
    numbers::{self, Kind},
    pickle::{Id, Pickle, Value},
};

/// The older format begins with a pickle of this number, 0x1950a86a20f9469cfc6c.
const MAGIC: [u8; 15] = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
/// How a zip archive begins.
const ZIP: [u8; 4] = *b"PK\x03\x04";
/// Dimensions of a tensor at most. A short pickle may give one long list of them to tensor after tensor.
const MOST_DIMENSIONS: usize = 8;

/// Whether `bytes` begin like a file of `torch.save`.
pub(super) fn is_pth(bytes: &[u8]) -> bool {
    bytes.starts_with(&ZIP) || bytes.starts_with(&MAGIC)
}

/// The tensors of the state_dict, by name.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn read(bytes: &[u8]) -> Result<Tensors, String> {
    if bytes.starts_with(&ZIP) { zip(bytes) } else { older(bytes) }
}

/// A tensor as the pickle describes it.
struct Described {
    name: String,
    kind: Kind,
    offset: usize,
    dims: Vec<usize>,
    strides: Vec<usize>,
    /// Numbers in its storage.
    numel: usize,
}

fn zip(bytes: &[u8]) -> Result<Tensors, String> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| format!("cannot read the archive: {e}"))?;
    let names: Vec<String> = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let pickle = names.iter().find(|name| *name == "data.pkl" || name.ends_with("/data.pkl"));
    let pickle = pickle.ok_or("it is an archive without data.pkl")?;
    let folder = pickle.strip_suffix("data.pkl").unwrap_or_default();
    let mut entry = |name: &str| -> Result<Vec<u8>, String> {
        let mut entry = archive.by_name(name).map_err(|e| format!("{name}: {e}"))?;
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(|e| format!("{name}: {e}"))?;
        Ok(content)
    };
    if names.iter().any(|name| *name == format!("{folder}byteorder"))
        && entry(&format!("{folder}byteorder"))? != b"little"
    {
        return Err("its numbers are big-endian".to_owned());
    }
    let (pickle, _) = Pickle::read(&entry(pickle)?)?;
    let mut tensors = Tensors::new();
    for (key, described) in describe(&pickle, bytes.len())? {
        let storage = entry(&format!("{folder}data/{key}"))?;
        for d in described {
            tensors.insert(d.name.clone(), d.tensor(&storage)?);
        }
    }
    Ok(tensors)
}

/// Pickles of magic number, version, machine, state_dict and keys of the storages; then each storage, its length first.
fn older(bytes: &[u8]) -> Result<Tensors, String> {
    let mut at = MAGIC.len();
    let mut next = || -> Result<Pickle, String> {
        let (pickle, n) = Pickle::read(&bytes[at..])?;
        at += n;
        Ok(pickle)
    };
    let (_version, _machine, state, keys) = (next()?, next()?, next()?, next()?);
    let Value::Sequence(list) = keys.root() else { return Err("it has no list of storages".to_owned()) };
    let described = describe(&state, bytes.len())?;
    let mut tensors = Tensors::new();
    for key in list.iter().map(|id| keys.text(*id).ok_or("the key of a storage is no text")) {
        let users = described.get(key?).map_or(&[][..], Vec::as_slice);
        let (length, rest) = bytes[at..].split_first_chunk::<8>().ok_or("it ends before its numbers")?;
        // Lengths are of numbers, whose size only the tensors say; a storage that no tensor uses cannot be passed over.
        let user = users.first().ok_or("a storage belongs to no tensor")?;
        let length = usize::try_from(i64::from_le_bytes(*length)).map_err(|_| "a storage has a negative length")?;
        let n =
            length.checked_mul(user.kind.size()).filter(|n| *n <= rest.len()).ok_or("it ends before its numbers do")?;
        for d in users {
            tensors.insert(d.name.clone(), d.tensor(&rest[..n])?);
        }
        at += 8 + n;
    }
    let missing = described.values().flatten().find(|d| !tensors.contains_key(&d.name));
    missing.map_or(Ok(tensors), |d| Err(format!("{} has no numbers", d.name)))
}

/// The tensors of a state_dict by their storage's key. A state_dict that lies in a larger dict, under `state_dict` or
/// `model`, is found there. Tensors may share storages, but not so much that they hold more than `most` numbers.
fn describe(pickle: &Pickle, most: usize) -> Result<BTreeMap<String, Vec<Described>>, String> {
    let Value::Dict(items) = pickle.root() else { return Err("it holds no dict of tensors".to_owned()) };
    let inner = items.iter().find_map(|(key, value)| match (pickle.text(*key), pickle.get(*value)) {
        (Some("state_dict" | "model"), Value::Dict(inner)) => Some(inner),
        _ => None,
    });
    let mut found: BTreeMap<String, Vec<Described>> = BTreeMap::new();
    // Of keys that are set twice, the last counts.
    let items: HashMap<&str, Id> =
        inner.unwrap_or(items).iter().filter_map(|(key, value)| Some((pickle.text(*key)?, *value))).collect();
    let mut total = 0usize;
    for (name, id) in items {
        if let Value::Tensor(arguments) = pickle.get(id) {
            let (key, described) = Described::of(pickle, name, *arguments).map_err(|e| format!("{name} {e}"))?;
            total = total.saturating_add(described.len().unwrap_or(usize::MAX));
            found.entry(key).or_default().push(described);
        }
    }
    if total > most {
        return Err("its tensors hold more numbers than the file has bytes".to_owned());
    }
    if found.is_empty() { Err("it holds no dict of tensors".to_owned()) } else { Ok(found) }
}

impl Described {
    /// From the arguments of `_rebuild_tensor_v2`: storage, offset, size, stride. The storage is
    /// ("storage", class, key, device, length).
    fn of(pickle: &Pickle, name: &str, arguments: Id) -> Result<(String, Self), &'static str> {
        const BAD: &str = "is not described as PyTorch does";
        let Some([storage, offset, size, stride, ..]) = pickle.sequence(arguments) else { return Err(BAD) };
        let Value::Persistent(storage) = pickle.get(*storage) else { return Err(BAD) };
        let Some([_, class, key, _, numel, ..]) = pickle.sequence(*storage) else { return Err(BAD) };
        let counts = |id: &Id| -> Option<Vec<usize>> {
            let ids = pickle.sequence(*id).filter(|ids| ids.len() <= MOST_DIMENSIONS)?;
            ids.iter().map(|id| pickle.count(*id)).collect()
        };
        let Value::Class(class) = pickle.get(*class) else { return Err(BAD) };
        let kind = match class.as_str() {
            "torch.FloatStorage" => Kind::F32,
            "torch.DoubleStorage" => Kind::F64,
            "torch.HalfStorage" => Kind::F16,
            "torch.BFloat16Storage" => Kind::Bf16,
            "torch.LongStorage" => Kind::I64,
            _ => return Err("is of a type that no network here has"),
        };
        let (dims, strides) = (counts(size).ok_or(BAD)?, counts(stride).ok_or(BAD)?);
        if dims.len() != strides.len() {
            return Err(BAD);
        }
        let described = Self {
            name: name.to_owned(),
            kind,
            offset: pickle.count(*offset).ok_or(BAD)?,
            dims,
            strides,
            numel: pickle.count(*numel).ok_or(BAD)?,
        };
        Ok((pickle.text(*key).ok_or(BAD)?.to_owned(), described))
    }

    /// How many numbers it holds, where that can be counted.
    fn len(&self) -> Option<usize> {
        self.dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d))
    }

    /// The tensor's numbers out of its storage.
    fn tensor(&self, storage: &[u8]) -> Result<candle_core::Tensor, String> {
        let outside = || format!("{} reaches beyond its storage", self.name);
        let n = self.len().filter(|n| *n <= self.numel).ok_or_else(outside)?;
        let last = self
            .dims
            .iter()
            .zip(&self.strides)
            .try_fold(self.offset, |last, (d, s)| last.checked_add(d.saturating_sub(1).checked_mul(*s)?));
        let last = last.ok_or_else(outside)?;
        let size = self.kind.size();
        if self.numel.checked_mul(size).is_none_or(|bytes| bytes != storage.len()) || (n > 0 && last >= self.numel) {
            return Err(outside());
        }
        let mut bytes = Vec::with_capacity(n * size);
        let mut index = vec![0usize; self.dims.len()];
        for _ in 0..n {
            let place = self.offset + index.iter().zip(&self.strides).map(|(i, s)| i * s).sum::<usize>();
            bytes.extend_from_slice(&storage[place * size..(place + 1) * size]);
            // The next index, last dimension first.
            for (i, d) in index.iter_mut().zip(&self.dims).rev() {
                *i += 1;
                if *i < *d {
                    break;
                }
                *i = 0;
            }
        }
        numbers::tensor(self.kind, &bytes, &self.dims).map_err(|e| format!("{}: {e}", self.name))
    }
}
