//! The only file that speaks to object stores: everything in it waits until the store has answered, but for uploads.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, WriteMultipart, local::LocalFileSystem};
use tokio::runtime::Runtime;

use crate::error::Error;

/// A prefix in a store.
pub(in crate::build) struct Place {
    store: Arc<dyn ObjectStore>,
    prefix: object_store::path::Path,
    /// As the user wrote it.
    url: String,
    /// Where it is a folder, that.
    folder: Option<PathBuf>,
    runtime: Runtime,
}

/// Sizes of uploaded parts: S3 takes 10,000 of them, at least 5 MiB each but for the last.
const PART: usize = 16 << 20;
/// Parts in flight.
const PARTS: usize = 4;

impl Place {
    /// The place that `--out` names, where it is no folder.
    ///
    /// # Errors
    /// A URL that cannot be used, in a sentence.
    pub(in crate::build) fn of(out: &Path) -> Result<Option<Self>, Error> {
        let Some((text, (scheme, _))) = out.to_str().and_then(|text| Some((text, text.split_once("://")?))) else {
            return Ok(None);
        };
        let wrong = |clause: String| Error::BadInput(format!("{text}: {clause}"));
        match scheme {
            "file" => {}
            "s3" | "s3a" if cfg!(feature = "s3") => {}
            "s3" | "s3a" => {
                let how = "cargo build --release -p synth --features s3";
                return Err(wrong(format!("this synth was built without S3; build it with: {how}")));
            }
            _ => return Err(wrong("is no place that synth writes to: name a folder, s3:// or file:///".into())),
        }
        if text.contains(['?', '#']) {
            return Err(wrong("names more than a place: leave out what follows ? or #".into()));
        }
        let url = text.parse().map_err(|e| wrong(format!("is no URL ({e})")))?;
        // AWS_ACCESS_KEY_ID and the like; what a store does not know is passed over.
        let environment = std::env::vars_os().filter_map(|(key, value)| {
            let key = key.into_string().ok()?.to_ascii_lowercase();
            key.starts_with("aws_").then_some((key, value.into_string().ok()?))
        });
        let (store, prefix) =
            object_store::parse_url_opts(&url, environment).map_err(|e| wrong(format!("cannot be used: {e}")))?;
        // A folder is as safe as a store only when it is asked to sync.
        let store: Arc<dyn ObjectStore> =
            if scheme == "file" { Arc::new(LocalFileSystem::new().with_fsync(true)) } else { store.into() };
        let folder = url.to_file_path().ok().filter(|_| scheme == "file");
        Ok(Some(Self { folder, ..Self::new(store, prefix, text)? }))
    }

    pub(super) fn new(store: Arc<dyn ObjectStore>, prefix: object_store::path::Path, url: &str) -> Result<Self, Error> {
        let url = url.trim_end_matches('/').to_owned();
        // One thread uploads while others mix.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(Error::io(Path::new(&url), "start a thread to write to"))?;
        Ok(Self { store, prefix, url, folder: None, runtime })
    }

    /// An object's full name, for messages.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.url)
    }

    fn path(&self, name: &str) -> object_store::path::Path {
        self.prefix.clone().join(name)
    }

    fn told(&self, name: &str, action: &'static str) -> impl FnOnce(object_store::Error) -> Error {
        let place = self.name(name);
        move |source| Error::Store { place, action, source: Box::new(source) }
    }

    /// Names and sizes of the objects below the prefix.
    pub(super) fn list(&self) -> Result<BTreeMap<String, u64>, Error> {
        let listed = self.runtime.block_on(self.store.list_with_delimiter(Some(&self.prefix)));
        let objects = listed.map_err(self.told("", "list"))?.objects;
        Ok(objects.into_iter().filter_map(|o| Some((o.location.filename()?.to_owned(), o.size))).collect())
    }

    /// Puts a small object, whole or not at all.
    pub(super) fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let put = self.runtime.block_on(self.store.put(&self.path(name), bytes.into()));
        put.map(drop).map_err(self.told(name, "write"))
    }

    /// Puts a small object unless there is one of this name, as far as the store can tell.
    pub(super) fn put_new(&self, name: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let path = self.path(name);
        let create = PutOptions::from(PutMode::Create);
        match self.runtime.block_on(self.store.put_opts(&path, bytes.clone().into(), create)) {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }) => {
                self.put(name, bytes)
            }
            // In a folder it takes hard links, which not every file system has.
            Err(_) if self.folder.is_some() => self.put(name, bytes),
            Err(e) => Err(self.told(name, "write")(e)),
        }
    }

    /// Gets a small object.
    pub(super) fn get(&self, name: &str) -> Result<Vec<u8>, Error> {
        let path = self.path(name);
        let get = async { self.store.get(&path).await?.bytes().await };
        self.runtime.block_on(get).map(Vec::from).map_err(self.told(name, "read"))
    }

    /// Reads an object of `size` bytes from its beginning, a part at a time.
    pub(super) fn read<'a>(&'a self, name: &'a str, size: u64) -> impl std::io::Read + 'a {
        Reader { place: self, name, size, next: 0, part: std::io::Cursor::default() }
    }

    /// Begins a large object; it is there when it is finished, and not before.
    pub(super) fn upload(&self, name: &str) -> Result<Upload<'_>, Error> {
        self.sweep(name);
        let begun = self.runtime.block_on(self.store.put_multipart(&self.path(name)));
        let begun = begun.map_err(self.told(name, "begin to write"))?;
        // Parts are sent by tasks of the runtime.
        let _inside = self.runtime.enter();
        Ok(Upload { place: self, name: name.to_owned(), parts: WriteMultipart::new_with_chunk_size(begun, PART) })
    }

    /// Removes what a killed build left of an upload in a folder, where the store calls it `NAME#1` and never looks at it again.
    fn sweep(&self, name: &str) {
        let Some(folder) = &self.folder else { return };
        let left = |file: &std::ffi::OsStr| {
            let rest = file.to_str().and_then(|file| file.strip_prefix(name)?.strip_prefix('#'));
            rest.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
        };
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter(|entry| left(&entry.file_name())).for_each(|entry| {
            // Best effort: it is in nobody's way.
            let _ = std::fs::remove_file(entry.path());
        });
    }
}

/// A large object being written.
pub(super) struct Upload<'a> {
    place: &'a Place,
    name: String,
    parts: WriteMultipart,
}

impl Upload<'_> {
    /// Adds bytes; waits where too many are on their way.
    pub(super) fn put(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        let Self { place, name, parts } = self;
        let put = async {
            parts.wait_for_capacity(PARTS).await?;
            parts.put(bytes.into());
            Ok(())
        };
        place.runtime.block_on(put).map_err(place.told(name, "write"))
    }

    pub(super) fn finish(self) -> Result<(), Error> {
        let finished = self.place.runtime.block_on(self.parts.finish());
        finished.map(drop).map_err(self.place.told(&self.name, "write"))
    }

    /// Gives up what was sent, as far as the store can be reached.
    pub(super) fn abort(self) {
        if let Err(e) = self.place.runtime.block_on(self.parts.abort()) {
            tracing::warn!("{}: parts of it may be left in the store ({e})", self.place.name(&self.name));
        }
    }
}

/// Reads by ranges.
struct Reader<'a> {
    place: &'a Place,
    name: &'a str,
    size: u64,
    next: u64,
    part: std::io::Cursor<Vec<u8>>,
}

impl std::io::Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.part.position() == self.part.get_ref().len() as u64 && self.next < self.size {
            let range = self.next..(self.next + PART as u64).min(self.size);
            self.next = range.end;
            let path = self.place.path(self.name);
            let part = self.place.runtime.block_on(self.place.store.get_range(&path, range));
            self.part = std::io::Cursor::new(part.map_err(std::io::Error::other)?.into());
        }
        self.part.read(buffer)
    }
}
