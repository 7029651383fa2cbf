//! `train doctor`: what this build and this machine can do.

mod gpu;
mod operations;
mod steps;

use std::time::Duration;

use candle_core::{Device, Tensor};
use manifests::run::{Branches, Loss, Model};

use crate::{
    Error, loss, memory,
    net::{Corrn, Pass},
    ops,
};

/// Prints what was found, and tests each operation, in f32 against f64, a training step in every precision, and a small
/// network's gradient.
///
/// # Errors
/// When the self-test fails.
pub(crate) fn doctor() -> Result<(), Error> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    manifests::say!(
        "program   train {} ({} {})",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS
    );
    manifests::say!("cpu       {threads} threads{}", features());
    let gib = |bytes: Option<u64>| {
        bytes.map_or("unknown".to_owned(), |b| format!("{:.1} GiB", b as f64 / f64::from(1 << 30)))
    };
    manifests::say!("memory    {}, {} available to this process", gib(memory::total()), gib(memory::available()));
    let mut wrong = Vec::new();
    for (name, device) in gpu::devices() {
        manifests::say!("\n{:<34} {:>12} {:>10}", format!("each operation, {name}"), "off by", "time");
        let mut show = |what: &str, difference: f64, time: Duration, good: bool| {
            let verdict = if good { "" } else { "  WRONG" };
            manifests::say!("{what:<34} {difference:>12.1e} {:>7.2} ms{verdict}", 1e3 * time.as_secs_f64());
            if !good {
                wrong.push(format!("{} on {name}", what.trim()));
            }
        };
        for found in operations::check(&device)? {
            show(found.name, found.difference, found.time, found.difference <= operations::TOLERANCE);
        }
        for found in steps::check(&device)? {
            show(found.name, found.difference, found.time, found.good);
        }
    }
    if !wrong.is_empty() {
        return Err(Error::Failed(format!("self-test: this build computes wrongly here: {}", wrong.join(", "))));
    }
    let error = self_test()?;
    manifests::say!("{:<34} {error:>12.1e}", "whole network, its slope");
    Ok(())
}

fn features() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            return ", AVX-512";
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            return ", AVX2 and FMA";
        }
    }
    ", no vector extension that is made use of"
}

/// Relative difference between the loss's derivative along its gradient and a central difference, in f64.
fn self_test() -> Result<f64, Error> {
    let model = Model { width: 1.0 / 64.0, branches: Branches::Shared, ..Model::default() };
    let net = Corrn::new(&model, 1, candle_core::DType::F64, &Device::Cpu)?;
    let ramp = |scale: f64| -> Result<Tensor, Error> {
        let values = (0..3 * 32 * 32).map(|i| scale * (0.5 + 0.5 * (f64::from(i) * 0.37).sin())).collect::<Vec<f64>>();
        Ok(Tensor::from_vec(values, (1, 3, 32, 32), &Device::Cpu)?)
    };
    let (b, r) = (ramp(0.8)?, ramp(0.2)?);
    let image = (&b + &r)?;
    let total = || -> Result<(Tensor, ops::Tape), Error> {
        let (out, tape) = net.record(&image, Pass::train())?;
        Ok((loss::corrn(&Loss::default(), &out, &b, &r)?.total, tape))
    };
    // The last layer's weights: nothing after them has a corner near this point.
    let last = net.params().all().iter().find(|p| p.name == "output.1.bn.weight");
    let last = last.ok_or_else(|| Error::Failed("the network has no last layer".into()))?;
    let (loss, tape) = total()?;
    let gradients = tape.backward(&loss)?;
    let gradient = gradients.get(&last.var).ok_or_else(|| Error::Failed("the last layer has no gradient".into()))?;
    let length = gradient.sqr()?.sum_all()?.sqrt()?.to_scalar::<f64>()?;
    let before = last.var.as_tensor().copy()?;
    let step = 1e-6;
    let at = |t: f64| -> Result<f64, Error> {
        last.var.set(&(&before + (gradient * (t / length))?)?)?;
        Ok(total()?.0.to_scalar::<f64>()?)
    };
    let slope = (at(step)? - at(-step)?) / (2.0 * step);
    let error = (slope - length).abs() / length;
    if error.is_nan() || error > 1e-4 {
        return Err(Error::Failed(format!("self-test: the gradient is off by {error:e}: this build computes wrongly")));
    }
    Ok(error)
}
