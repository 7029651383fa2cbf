//! The authors' network in PyTorch: its state_dict, as `torch.save` writes it, gives the same pictures here, and ours there.
//! Needs Python with
//! torch (VITRINE_PYTHON names one; otherwise `python3` is tried) and the definition in `../shared/reference`; without them
//! these tests skip and say so.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use candle_core::{DType, Device, Tensor, safetensors};
use manifests::run::Model;
use train::{
    checkpoint,
    net::{Corrn, Pass},
};

/// Writes the network of a width and its outputs, wrapped as for several GPUs, in both formats.
const SCRIPT: &str = r#"
import sys
import torch
from safetensors.torch import save_file
sys.path.insert(0, sys.argv[1])
from corrn_reference import CoRRN
torch.manual_seed(3)
out = sys.argv[2]
for name, shared, older in [("shared", True, True), ("independent", False, False)]:
    net = CoRRN(width=1 / 32, shared_branches=shared).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    image = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        b, _, _ = net(image)
    torch.save(torch.nn.DataParallel(net).state_dict(), f"{out}/{name}.pth", _use_new_zipfile_serialization=not older)
    save_file({"image": image, "b": b.contiguous()}, f"{out}/{name}.safetensors")
"#;

/// Loads an exported network, with nothing missing and nothing extra, and writes its output.
const STRICT: &str = r#"
import sys
import torch
from safetensors.torch import load_file, save_file
sys.path.insert(0, sys.argv[1])
from corrn_reference import CoRRN
out = sys.argv[2]
net = CoRRN(width=1 / 32, shared_branches=False).eval()
net.load_state_dict(load_file(f"{out}/exported.safetensors"), strict=True)
with torch.no_grad():
    b, _, _ = net(load_file(f"{out}/image.safetensors")["image"])
save_file({"b": b.contiguous()}, f"{out}/b.safetensors")
"#;

fn python() -> Option<(String, PathBuf)> {
    let python = std::env::var("VITRINE_PYTHON").unwrap_or_else(|_| "python3".into());
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference");
    let has =
        Command::new(&python).args(["-c", "import torch, safetensors"]).output().is_ok_and(|o| o.status.success());
    if has && reference.join("corrn_reference.py").is_file() {
        return Some((python, reference));
    }
    println!("skipped: {python} has no torch and safetensors, or {} is not there", reference.display());
    None
}

#[test]
fn a_state_dict_of_the_definition_gives_the_same_pictures() {
    let Some((python, reference)) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(python).args(["-c", SCRIPT]).arg(reference).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for name in ["shared", "independent"] {
        let theirs = safetensors::load(folder.path().join(format!("{name}.safetensors")), &Device::Cpu).unwrap();
        let net = checkpoint::network(&folder.path().join(format!("{name}.pth")), &Device::Cpu).unwrap();
        let found = net.forward(&theirs["image"], Pass::eval()).unwrap().background;
        close(name, &found, &theirs["b"]);
    }
}

#[track_caller]
fn close(name: &str, found: &Tensor, expected: &Tensor) {
    let largest = |t: &Tensor| t.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
    let (difference, scale) = (largest(&(found - expected).unwrap()), largest(expected));
    assert!(scale > 1e-3 && difference <= 1e-4 * scale, "{name}: {difference} of {scale}");
}

#[test]
fn an_exported_network_loads_strictly_and_gives_the_same_pictures() {
    let Some((python, reference)) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let model = Model { width: 1.0 / 32.0, ..Model::default() };
    let net = Corrn::new(&model, 9, DType::F32, &Device::Cpu).unwrap();
    let tensors = net.params().all().iter().map(|p| (p.name.clone(), p.var.as_detached_tensor())).collect();
    safetensors::save(&tensors, path("ours.safetensors")).unwrap();
    let image = Tensor::rand(0f32, 1f32, (2, 3, 64, 96), &Device::Cpu).unwrap();
    safetensors::save(&[("image".to_owned(), image.clone())].into(), path("image.safetensors")).unwrap();
    let exported = Command::new(env!("CARGO_BIN_EXE_train"))
        .args(["export", "--format", "safetensors", "--out"])
        .args([path("exported.safetensors"), path("ours.safetensors")])
        .output()
        .unwrap();
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let loaded = Command::new(python).args(["-c", STRICT]).arg(reference).arg(folder.path()).output().unwrap();
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    let theirs = safetensors::load(path("b.safetensors"), &Device::Cpu).unwrap();
    close("exported", &net.forward(&image, Pass::eval()).unwrap().background, &theirs["b"]);
}
