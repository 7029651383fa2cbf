//! Networks exported as ONNX, run by onnxruntime at sizes of its choice, give this program's pictures. Needs Python with
//! onnxruntime, onnx and numpy (VITRINE_PYTHON names one; otherwise `python3` is tried); without them the test skips and says so.
#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "shared with the tests of fit")]
mod support;

use std::process::Command;

use candle_core::{Device, Tensor, safetensors};
use support::{data_set, run_file, train};
use train::{checkpoint, net::Pass};

/// Checks the file against the standard and runs it on pictures of two sizes, written as plain numbers after their shape.
const SCRIPT: &str = r#"
import sys
import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file, save_file
out = sys.argv[1]
onnx.checker.check_model(onnx.load(f"{out}/net.onnx"), full_check=True)
session = onnxruntime.InferenceSession(f"{out}/net.onnx", providers=["CPUExecutionProvider"])
assert [i.name for i in session.get_inputs()] == ["image"]
names = [o.name for o in session.get_outputs()]
found = {}
for key, image in load_file(f"{out}/images.safetensors").items():
    for name, value in zip(names, session.run(None, {"image": image})):
        found[f"{key}.{name}"] = value
save_file(found, f"{out}/found.safetensors")
"#;

#[test]
fn onnxruntime_gives_the_same_pictures() {
    let python = std::env::var("VITRINE_PYTHON").unwrap_or_else(|_| "python3".into());
    let modules = Command::new(&python).args(["-c", "import onnx, onnxruntime, numpy, safetensors"]).output();
    if !modules.is_ok_and(|o| o.status.success()) {
        println!("skipped: {python} has no onnx, onnxruntime, numpy and safetensors");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    data_set(&path("data"), 6, 2, 0);
    let run = run_file(folder.path(), 2);
    let image = |n, h, w| Tensor::rand(0f32, 1f32, (n, 3, h, w), &Device::Cpu).unwrap();
    let images = [("wide", image(2, 64, 96)), ("tall", image(1, 96, 32))];
    safetensors::save(&images.iter().map(|(n, t)| (*n, t.clone())).collect(), path("images.safetensors")).unwrap();
    // With all of its parts, and with what the paper's ablations leave out.
    for (name, settings) in [
        ("residual", ["model.output=residual", "model.gradient_decoder=true", "model.branches=independent"]),
        ("background", ["model.output=background", "model.gradient_decoder=false", "model.branches=shared"]),
    ] {
        let out = path(name);
        let mut fit = vec!["fit", run.to_str().unwrap(), "--out", out.to_str().unwrap()];
        fit.extend(settings.iter().flat_map(|s| ["--set", s]));
        let fitted = train(&fit);
        assert!(fitted.status.success(), "{}", String::from_utf8_lossy(&fitted.stderr));
        let file = path("net.onnx");
        let exported = train(&["export", "--format", "onnx", "--out", file.to_str().unwrap(), out.to_str().unwrap()]);
        assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
        let ran = Command::new(&python).args(["-c", SCRIPT]).arg(folder.path()).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let found = safetensors::load(path("found.safetensors"), &Device::Cpu).unwrap();
        let net = checkpoint::network(&checkpoint::named(&out).unwrap(), &Device::Cpu).unwrap();
        let mut compared = 0;
        for (key, image) in &images {
            let ours = net.forward(image, Pass::eval()).unwrap();
            let outputs = [
                ("background", Some(ours.background)),
                ("reflection", Some(ours.reflection)),
                ("gradient", ours.gradient),
            ];
            for (layer, ours) in outputs {
                let theirs = found.get(&format!("{key}.{layer}"));
                assert_eq!(theirs.is_some(), ours.is_some(), "{name} {key}.{layer}");
                let (Some(theirs), Some(ours)) = (theirs, ours) else { continue };
                assert_eq!(theirs.dims(), ours.dims(), "{name} {key}.{layer}");
                let largest = |t: &Tensor| t.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
                let (difference, scale) = (largest(&(theirs - &ours).unwrap()), largest(&ours));
                println!("{name} {key}.{layer}: {difference:e} of {scale}");
                assert!(
                    scale > 1e-3 && difference <= 1e-4 * scale.max(1.0),
                    "{name} {key}.{layer}: {difference} of {scale}"
                );
                compared += 1;
            }
        }
        assert_eq!(compared, if name == "residual" { 6 } else { 4 });
    }
}
