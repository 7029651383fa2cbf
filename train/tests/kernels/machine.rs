//! A machine that runs launches on kernels compiled for the CPU (`emulator.hpp`).

use std::collections::HashMap;
use std::ffi::{CString, c_uint, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use candle_core::{Result, bail};
use libloading::Library;

use crate::plan::{Arg, Launch, Machine, Pointer};

/// What runs a kernel: arguments, blocks, threads, whether from the last to the first.
type Run = unsafe extern "C" fn(*mut *mut c_void, *const c_uint, c_uint, c_uint);

/// The compiled kernels by module.
struct Kernels {
    modules: HashMap<String, Library>,
    _folder: tempfile::TempDir,
}

static KERNELS: LazyLock<Kernels> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let mut compilers = Vec::new();
    for source in sources(root) {
        let stem = if source.ends_with("kernels.cu") { source.parent().unwrap() } else { &source };
        let name = stem.file_stem().unwrap().to_str().unwrap().to_owned();
        let library = folder.path().join(format!("{name}.so"));
        compilers.push((name, compiler(root, &source, &library).spawn(), library));
    }
    let load = |(name, compiler, library): (String, std::io::Result<std::process::Child>, PathBuf)| {
        let mut compiler = compiler.unwrap_or_else(|e| panic!("the C++ compiler does not start ({e}): CXX names it"));
        assert!(compiler.wait().unwrap().success(), "{name} does not compile for the CPU");
        // SAFETY: our own code, without initialisers that do anything.
        (name, unsafe { Library::new(library) }.unwrap())
    };
    Kernels { modules: compilers.into_iter().map(load).collect(), _folder: folder }
});

/// Every file of kernels.
fn sources(root: &Path) -> Vec<PathBuf> {
    let folders = ["src/cuda", "src/ops"].map(|folder| walkdir::WalkDir::new(root.join(folder)).sort_by_file_name());
    let files = folders.into_iter().flatten().map(|entry| entry.unwrap().into_path());
    files.filter(|path| path.extension().is_some_and(|e| e == "cu")).collect()
}

/// The call that compiles one file. `VITRINE_SANITIZE` adds sanitizers, as `-fsanitize` names them.
fn compiler(root: &Path, source: &Path, library: &Path) -> Command {
    let mut compiler = Command::new(std::env::var("CXX").unwrap_or_else(|_| "c++".into()));
    // A sanitizer's library is for the kernels, not for the compiler.
    compiler.env_remove("LD_PRELOAD");
    compiler.args([
        "-std=c++17",
        "-O2",
        "-fPIC",
        "-shared",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-unknown-pragmas",
        "-Wno-clobbered",
    ]);
    if let Ok(which) = std::env::var("VITRINE_SANITIZE") {
        compiler.args(["-g", &format!("-fsanitize={which}"), "-fno-sanitize-recover=all"]);
    }
    compiler.arg("-I").arg(root.join("src")).arg("-I").arg(root.join("tests/kernels"));
    compiler.args(["-x", "c++"]).arg(source).arg("-o").arg(library);
    compiler
}

/// Runs launches at once, from the first thread to the last or the other way round, in this process's memory.
pub(crate) struct Emulator {
    falling: bool,
    scratch: Vec<Vec<u64>>,
}

impl Emulator {
    pub(crate) fn new(falling: bool) -> Self {
        Self { falling, scratch: Vec::new() }
    }
}

impl Machine for Emulator {
    fn scratch(&mut self, bytes: usize) -> Result<Pointer> {
        // NaN in every type.
        let memory = vec![u64::MAX; bytes.div_ceil(8)];
        let pointer = Pointer(memory.as_ptr() as u64);
        self.scratch.push(memory);
        Ok(pointer)
    }

    fn launch(&mut self, launch: Launch) -> Result<()> {
        let name = launch.name();
        let Some(library) = KERNELS.modules.get(launch.module) else { bail!("there is no module {}", launch.module) };
        let symbol = CString::new(format!("emulated_{name}")).unwrap();
        // SAFETY: every symbol of this name has this type (`EMULATED` in emulator.hpp).
        let Ok(run) = (unsafe { library.get::<Run>(symbol.as_bytes_with_nul()) }) else {
            bail!("{} has no kernel {name}", launch.module)
        };
        // What a GPU takes.
        let [x, y, z] = launch.blocks;
        assert!(
            (1..=i32::MAX as u32).contains(&x) && (1..=65535).contains(&y) && (1..=65535).contains(&z),
            "{launch:?}"
        );
        assert!((1..=1024).contains(&launch.threads), "{launch:?}");
        let mut bytes: Vec<Vec<u8>> = launch.args.iter().map(bytes).collect();
        let mut arguments: Vec<*mut c_void> = bytes.iter_mut().map(|b| b.as_mut_ptr().cast()).collect();
        // One launch at a time: the emulator has one set of threads.
        static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // SAFETY: the plan gives the kernel what it declares; the tests are there to find where it does not.
        unsafe { run(arguments.as_mut_ptr(), launch.blocks.as_ptr(), launch.threads, self.falling.into()) };
        Ok(())
    }
}

fn bytes(arg: &Arg) -> Vec<u8> {
    match arg {
        Arg::Pointer(p) => p.0.to_ne_bytes().into(),
        Arg::U32(v) => v.to_ne_bytes().into(),
        Arg::U64(v) => v.to_ne_bytes().into(),
        Arg::F32(v) => v.to_ne_bytes().into(),
        Arg::F64(v) => v.to_ne_bytes().into(),
        Arg::Sizes(v) => v.iter().flat_map(|v| v.to_ne_bytes()).collect(),
        Arg::Nine32(v) => v.iter().flat_map(|v| v.to_ne_bytes()).collect(),
        Arg::Nine64(v) => v.iter().flat_map(|v| v.to_ne_bytes()).collect(),
    }
}
