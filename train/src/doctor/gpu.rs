//! What a GPU needs, and what of it this machine has: looked for where the dynamic loader would look, without loading it.

use std::path::{Path, PathBuf};

use candle_core::Device;

/// A library of NVIDIA's, and where it comes from.
struct Library {
    file: &'static str,
    of: &'static str,
}

/// What a build with CUDA 13 asks for when it starts.
const LIBRARIES: [Library; 4] = [
    Library { file: "libcuda.so.1", of: "the NVIDIA driver" },
    Library { file: "libcublas.so.13", of: "CUDA 13, or the Python package nvidia-cublas" },
    Library { file: "libcurand.so.10", of: "CUDA 13, or the Python package nvidia-curand" },
    Library { file: "libcudnn.so.9", of: "cuDNN 9, or the Python package nvidia-cudnn-cu13" },
];

/// Prints which GPUs this build can use and what of NVIDIA's this machine has, and answers every device by name.
pub(super) fn devices() -> Vec<(String, Device)> {
    let devices = std::iter::once(("cpu".to_owned(), Device::Cpu)).chain(gpus()).collect();
    for line in lines(Path::new("/"), std::env::var("LD_LIBRARY_PATH").ok().as_deref()) {
        manifests::say!("gpu       {line}");
    }
    devices
}

#[cfg(not(feature = "cuda"))]
fn gpus() -> Vec<(String, Device)> {
    manifests::say!("cuda      not in this build: --device cpu is the only device (./dev cuda builds one for GPUs)");
    Vec::new()
}

#[cfg(feature = "cuda")]
fn gpus() -> Vec<(String, Device)> {
    let count = crate::cuda::count().unwrap_or_else(|e| {
        manifests::say!("cuda      no GPU can be used: {e}");
        0
    });
    (0..count).filter_map(|ordinal| open(&format!("cuda:{ordinal}"))).collect()
}

/// A GPU, with what it calls itself printed, or why it cannot be used.
#[cfg(feature = "cuda")]
fn open(name: &str) -> Option<(String, Device)> {
    let opened = crate::device::parse(name).and_then(|device| Ok((crate::device::gpu_name(&device)?, device)));
    match opened {
        Ok((gpu, device)) => {
            manifests::say!("cuda      {name} is {}", gpu.unwrap_or_default());
            Some((name.to_owned(), device))
        }
        Err(e) => {
            manifests::say!("cuda      {e}");
            None
        }
    }
}

/// Lines about driver and libraries: of this machine where `root` is `/`.
pub(super) fn lines(root: &Path, search: Option<&str>) -> Vec<String> {
    let folders = folders(root, search);
    let found = |library: &&Library| folders.iter().any(|folder| folder.join(library.file).exists());
    let (there, missing): (Vec<&Library>, Vec<&Library>) = LIBRARIES.iter().partition(found);
    let driver = driver(root).map_or("no NVIDIA driver is loaded".to_owned(), |version| format!("driver {version}"));
    let names: Vec<&str> = there.iter().map(|library| library.file).collect();
    let names =
        if names.is_empty() { "none of its libraries found".to_owned() } else { format!("found {}", names.join(", ")) };
    let mut lines = vec![format!("{driver}; {names}")];
    // Where nothing is there, nobody is waiting for the rest.
    if !there.is_empty() {
        lines
            .extend(missing.iter().map(|library| format!("{} is missing: it is part of {}", library.file, library.of)));
    }
    lines
}

/// The version of the kernel's driver.
fn driver(root: &Path) -> Option<String> {
    let text = std::fs::read_to_string(root.join("proc/driver/nvidia/version")).ok()?;
    // NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul ...
    let is_version = |word: &&str| word.contains('.') && word.split('.').all(|part| part.parse::<u32>().is_ok());
    Some(text.lines().next()?.split_whitespace().find(is_version)?.to_owned())
}

/// Folders that the loader looks through: the search path, those of its configuration, and its own.
fn folders(root: &Path, search: Option<&str>) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        search.unwrap_or_default().split(':').filter(|f| !f.is_empty()).map(PathBuf::from).collect();
    let below = |path: &str| root.join(path.trim_start_matches('/'));
    if let Ok(files) = std::fs::read_dir(root.join("etc/ld.so.conf.d")) {
        for file in files.flatten() {
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            folders.extend(text.lines().map(str::trim).filter(|line| line.starts_with('/')).map(below));
        }
    }
    let own =
        ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64", "usr/lib64", "lib", "usr/lib", "usr/local/lib"];
    folders.extend(own.map(below));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_where_it_comes_from() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert_eq!(lines(root.path(), None), ["no NVIDIA driver is loaded; none of its libraries found"]);
        let version =
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\nGCC version: 12.3.0\n";
        write("proc/driver/nvidia/version", version);
        write("usr/lib/x86_64-linux-gnu/libcuda.so.1", "");
        write("etc/ld.so.conf.d/cuda.conf", "# CUDA\n/usr/local/cuda/lib64\n");
        for file in ["libcublas.so.13", "libcurand.so.10"] {
            write(&format!("usr/local/cuda/lib64/{file}"), "");
        }
        let found = lines(root.path(), None);
        assert!(found[0].starts_with("driver 580.65.06; found libcuda.so.1, libcublas.so.13"), "{found:?}");
        assert!(found.len() == 2 && found[1].contains("libcudnn.so.9 is missing: it is part of cuDNN 9"), "{found:?}");
        write("wheels/libcudnn.so.9", "");
        let search = format!(":{}", root.path().join("wheels").display());
        assert_eq!(lines(root.path(), Some(&search)).len(), 1);
    }
}
