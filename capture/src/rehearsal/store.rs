//! The memory card, a folder on disk laid out as DCIM, and the body's own memory, which holds one picture at a time.

use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{clock, codec::Writer, codes::rc};

/// The card's storage id.
pub(super) const CARD: u32 = 0x0001_0001;
/// Handle of every picture in the body's memory.
pub(super) const MEMORY_HANDLE: u32 = 0xFFFF_0001;
const DCIM: u32 = 0x1000_0000;
const FOLDER: u32 = 0x1064_0000;
const FOLDER_NAME: &str = "100D5300";

const ASSOCIATION: u16 = 0x3001;
const EXIF_JPEG: u16 = 0x3801;
const UNDEFINED: u16 = 0x3000;

/// A picture as it leaves the image processor.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    /// `JPG` or `NEF`.
    pub(super) extension: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// A file on the card.
struct File {
    handle: u32,
    name: String,
    bytes: u64,
    modified: SystemTime,
}

/// A picture in the body's memory.
struct InMemory {
    name: String,
    picture: Picture,
    taken: SystemTime,
    /// A client has it: its place is free for the next release, whether the client deletes it or not.
    fetched: bool,
}

/// Card and memory.
pub(super) struct Store {
    folder: PathBuf,
    /// Keeps a card that nobody asked to keep until the body is gone.
    _temporary: Option<tempfile::TempDir>,
    files: Vec<File>,
    memory: VecDeque<InMemory>,
    pub(super) capacity: u64,
    picture_size: (u32, u32),
    last_number: u32,
}

impl Store {
    /// Opens the card at `root`, or a fresh one that vanishes with the body.
    pub(super) fn open(root: Option<&Path>, picture_size: (u32, u32)) -> io::Result<Self> {
        let temporary = if root.is_none() { Some(tempfile::tempdir()?) } else { None };
        let root = root.or(temporary.as_ref().map(|t| t.path())).unwrap_or(Path::new("."));
        let folder = root.join("DCIM").join(FOLDER_NAME);
        fs::create_dir_all(&folder)?;
        let mut store = Self {
            folder,
            _temporary: temporary,
            files: Vec::new(),
            memory: VecDeque::new(),
            capacity: 32_000_000_000,
            picture_size,
            last_number: 0,
        };
        for entry in fs::read_dir(&store.folder)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if let (true, Ok(name)) = (meta.is_file(), entry.file_name().into_string()) {
                store.list(name, meta.len(), meta.modified()?);
            }
        }
        store.files.sort_by_key(|f| f.handle);
        Ok(store)
    }

    fn list(&mut self, name: String, bytes: u64, modified: SystemTime) {
        let number = name.strip_prefix("DSC_").and_then(|n| n.get(..4)).and_then(|n| n.parse::<u32>().ok());
        let wanted = match (number, name.rsplit('.').next()) {
            (Some(n), Some("JPG")) => FOLDER + n * 4 + 1,
            (Some(n), Some("NEF")) => FOLDER + n * 4 + 2,
            // Somebody else's file: any free place behind the numbered ones.
            _ => FOLDER + 0xA000,
        };
        let handle = (wanted..).find(|h| self.files.iter().all(|f| f.handle != *h)).unwrap_or(wanted);
        self.last_number = self.last_number.max(number.unwrap_or(0));
        self.files.push(File { handle, name, bytes, modified });
    }

    /// Leaves no room.
    pub(super) fn fill(&mut self) {
        self.capacity -= self.free();
    }

    pub(super) fn free(&self) -> u64 {
        self.capacity.saturating_sub(self.files.iter().map(|f| f.bytes).sum())
    }

    /// Pictures that fit on the rest of the card, at one byte a pixel.
    pub(super) fn pictures_left(&self) -> u32 {
        u32::try_from(self.free() / u64::from(self.picture_size.0 * self.picture_size.1)).unwrap_or(u32::MAX)
    }

    pub(super) fn files_on_card(&self) -> usize {
        self.files.len()
    }

    /// Writes the files of one release to the card; answers their handles.
    pub(super) fn add_to_card(&mut self, pictures: Vec<Picture>) -> io::Result<Vec<u32>> {
        let number = self.last_number % 9999 + 1;
        let mut handles = Vec::new();
        for picture in pictures {
            let name = format!("DSC_{number:04}.{}", picture.extension);
            let path = self.folder.join(&name);
            let partial = self.folder.join(format!(".{name}"));
            fs::write(&partial, &picture.bytes)?;
            fs::rename(&partial, &path)?;
            self.list(name, picture.bytes.len() as u64, fs::metadata(&path)?.modified()?);
            handles.extend(self.files.last().map(|f| f.handle));
        }
        self.last_number = number;
        Ok(handles)
    }

    /// Keeps the files of one release in memory; true when the first can be told at once.
    pub(super) fn add_to_memory(&mut self, pictures: Vec<Picture>) -> bool {
        self.memory.retain(|m| !m.fetched);
        let idle = self.memory.is_empty();
        for picture in pictures {
            let name = format!("DSC_0000.{}", picture.extension);
            self.memory.push_back(InMemory { name, picture, taken: SystemTime::now(), fetched: false });
        }
        idle && !self.memory.is_empty()
    }

    /// Loses what is only in memory.
    pub(super) fn clear_memory(&mut self) {
        self.memory.clear();
    }

    /// Handles below a folder: `parent` 0 for everything, FFFFFFFF for the card's root.
    pub(super) fn handles(&self, storage: u32, parent: u32) -> Result<Vec<u32>, u16> {
        if storage != CARD && storage != u32::MAX {
            return Err(rc::INVALID_STORAGE);
        }
        let files = self.files.iter().map(|f| f.handle);
        match parent {
            0 => Ok([DCIM, FOLDER].into_iter().chain(files).collect()),
            u32::MAX => Ok(vec![DCIM]),
            DCIM => Ok(vec![FOLDER]),
            FOLDER => Ok(files.collect()),
            _ => Err(rc::INVALID_HANDLE),
        }
    }

    /// The handle of a file on the card.
    pub(super) fn handle_of(&self, name: &str) -> Option<u32> {
        self.files.iter().find(|f| f.name == name).map(|f| f.handle)
    }

    fn file(&self, handle: u32) -> Result<&File, u16> {
        self.files.iter().find(|f| f.handle == handle).ok_or(rc::INVALID_HANDLE)
    }

    /// The ObjectInfo data set.
    pub(super) fn info(&self, handle: u32) -> Result<Vec<u8>, u16> {
        let (w, h) = self.picture_size;
        match handle {
            MEMORY_HANDLE => {
                let m = self.memory.front().ok_or(rc::INVALID_HANDLE)?;
                let size = (m.picture.width, m.picture.height);
                Ok(info(0, 0, &m.name, m.picture.bytes.len() as u64, size, m.taken))
            }
            DCIM => Ok(info(CARD, 0, "DCIM", 0, (0, 0), SystemTime::now())),
            FOLDER => Ok(info(CARD, DCIM, FOLDER_NAME, 0, (0, 0), SystemTime::now())),
            _ => {
                let file = self.file(handle)?;
                // A damaged entry in the card's directory: the file is gone from under the body.
                if !self.folder.join(&file.name).exists() {
                    return Err(rc::GENERAL_ERROR);
                }
                Ok(info(CARD, FOLDER, &file.name, file.bytes, (w, h), file.modified))
            }
        }
    }

    /// The bytes of a picture.
    pub(super) fn object(&self, handle: u32) -> Result<Vec<u8>, u16> {
        if handle == MEMORY_HANDLE {
            return self.memory.front().map(|m| m.picture.bytes.clone()).ok_or(rc::INVALID_HANDLE);
        }
        let path = self.folder.join(&self.file(handle)?.name);
        fs::read(&path).map_err(|error| {
            log::error!("rehearsal camera: {}: {error}", path.display());
            rc::GENERAL_ERROR
        })
    }

    /// A picture was sent to a client.
    pub(super) fn sent(&mut self, handle: u32) {
        if let (MEMORY_HANDLE, Some(first)) = (handle, self.memory.front_mut()) {
            first.fetched = true;
        }
    }

    /// Part of a picture.
    pub(super) fn part(&self, handle: u32, offset: u32, length: u32) -> Result<Vec<u8>, u16> {
        let whole = self.object(handle)?;
        let from = (offset as usize).min(whole.len());
        Ok(whole[from..from.saturating_add(length as usize).min(whole.len())].to_vec())
    }

    /// Deletes a picture; true when another one in memory can now be told.
    pub(super) fn delete(&mut self, handle: u32) -> Result<bool, u16> {
        match handle {
            MEMORY_HANDLE => {
                self.memory.pop_front().ok_or(rc::INVALID_HANDLE)?;
                Ok(!self.memory.is_empty())
            }
            // Every picture of the folder, as "delete all" of a client.
            u32::MAX | DCIM | FOLDER => {
                let all: Vec<u32> = self.files.iter().map(|f| f.handle).collect();
                all.into_iter().try_for_each(|h| self.delete(h).map(drop))?;
                Ok(false)
            }
            _ => {
                let path = self.folder.join(&self.file(handle)?.name);
                fs::remove_file(&path).map_err(|error| {
                    log::error!("rehearsal camera: {}: {error}", path.display());
                    rc::ACCESS_DENIED
                })?;
                self.files.retain(|f| f.handle != handle);
                Ok(false)
            }
        }
    }

    /// The StorageInfo data set.
    pub(super) fn storage_info(&self, storage: u32) -> Result<Vec<u8>, u16> {
        if storage != CARD {
            return Err(rc::INVALID_STORAGE);
        }
        // Removable RAM, DCF hierarchy, read and write.
        let mut w = Writer::default();
        w.u16(4).u16(3).u16(0).u64(self.capacity).u64(self.free()).u32(self.pictures_left());
        Ok(w.string("").string("NIKON D5300  ").done())
    }
}

fn info(storage: u32, parent: u32, name: &str, bytes: u64, size: (u32, u32), time: SystemTime) -> Vec<u8> {
    let folder = storage == CARD && parent != FOLDER;
    let jpeg = name.to_ascii_uppercase().ends_with(".JPG");
    let format = match (folder, jpeg) {
        (true, _) => ASSOCIATION,
        (_, true) => EXIF_JPEG,
        _ => UNDEFINED,
    };
    let date = clock::ptp(time);
    let (thumb_format, thumb) = if folder { (0, (0, 0)) } else { (0x3808, (160, 120)) };
    let mut w = Writer::default();
    w.u32(storage).u16(format).u16(0).u32(u32::try_from(bytes).unwrap_or(u32::MAX));
    w.u16(thumb_format).u32(0).u32(thumb.0).u32(thumb.1).u32(size.0).u32(size.1).u32(24);
    w.u32(parent).u16(u16::from(folder)).u32(0).u32(0);
    w.string(name).string(&date).string(&date).string("").done()
}
