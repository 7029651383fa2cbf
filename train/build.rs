//! With the feature `cuda`: compiles every `.cu` of an operation's folder and of `src/cuda` with nvcc to a fat binary
//! `$OUT_DIR/NAME.fatbin`, NAME being the file's stem, that of the folder where the file is `kernels.cu`. Each holds machine code for compute capability
//! 8.0 and 9.0, and PTX of 8.0 that the driver compiles for what comes after. Without the feature nothing is done.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the fat binaries hold.
const TARGETS: [&str; 3] =
    ["arch=compute_80,code=sm_80", "arch=compute_90,code=sm_90", "arch=compute_80,code=compute_80"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    // Everything below src, for headers, and for kernels that are new.
    println!("cargo::rerun-if-changed=src/ops");
    println!("cargo::rerun-if-changed=src/cuda");
    println!("cargo::rerun-if-env-changed=NVCC");
    let out = PathBuf::from(variable("OUT_DIR"));
    for (name, source) in sources() {
        compile(&source, &out.join(format!("{name}.fatbin")));
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Name and path of every file of kernels, in order.
fn sources() -> Vec<(String, PathBuf)> {
    let listed = |folder: &str| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{folder}: {e}"));
        entries.map(|entry| entry.unwrap_or_else(|e| panic!("{folder}: {e}")).path()).collect()
    };
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let folders = listed("src/ops").into_iter().filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| listed(&folder.to_string_lossy())).chain(listed("src/cuda"));
    let mut all: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|e| e == "cu"))
        .map(|path| match path.parent() {
            Some(folder) if path.ends_with("kernels.cu") => (name(folder), path.clone()),
            _ => (name(&path), path),
        })
        .collect();
    all.sort();
    all
}

fn compile(source: &Path, output: &Path) {
    let nvcc = std::env::var("NVCC").unwrap_or_else(|_| "nvcc".into());
    let mut command = Command::new(&nvcc);
    command.args([
        "--fatbin",
        "-O3",
        "-std=c++17",
        "-lineinfo",
        "--threads",
        "0",
        "-Werror",
        "all-warnings",
        "-I",
        "src",
    ]);
    command.args(TARGETS.iter().map(|target| format!("-gencode={target}")));
    command.arg("-o").arg(output).arg(source);
    let done = command.output().unwrap_or_else(|e| {
        panic!("the feature `cuda` needs nvcc, and {nvcc} cannot be run ({e}): `./dev cuda` installs what is missing")
    });
    let text = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{nvcc} does not compile {}:\n{text}", source.display());
}
