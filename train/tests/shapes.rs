//! Every tensor's name and shape, and the stage table, as committed: neither can change unseen.
//!
//! `VITRINE_WRITE_SNAPSHOTS=1 cargo test -p train --test shapes` rewrites them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fmt::Write as _, path::PathBuf};

use candle_core::{DType, Device, Tensor};
use manifests::run::{Branches, Model, Output};
use train::{
    net::{Corrn, Pass, layers},
    ops::Format,
    summary,
};

#[track_caller]
fn snapshot(name: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    if std::env::var_os("VITRINE_WRITE_SNAPSHOTS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some((line, (e, f))) = expected.lines().zip(found.lines()).enumerate().find(|(_, (e, f))| e != f) {
        panic!("{name}:{}: `{f}` instead of `{e}`", line + 1);
    }
    assert_eq!(expected.lines().count(), found.lines().count(), "{name}");
}

fn network(model: &Model) -> Corrn {
    Corrn::new(model, 1, DType::F32, &Device::Cpu).unwrap()
}

#[test]
fn names_and_shapes_are_those_of_the_snapshots() {
    for (name, branches) in [("independent", Branches::Independent), ("shared", Branches::Shared)] {
        // Full width is what checkpoints of others have; its numbers of parameters are published.
        let model = Model { branches, ..Model::default() };
        let mut text = String::new();
        for p in network(&model).params().all() {
            writeln!(text, "{} {:?}", p.name, p.var.dims()).unwrap();
        }
        snapshot(&format!("{name}.txt"), &text);
    }
}

#[test]
fn the_stage_table_is_that_of_the_snapshot() {
    snapshot("summary-224x288.txt", &summary::table(&Model::default(), 224, 288));
    let narrow = Model { width: 1.0 / 16.0, branches: Branches::Shared, ..Model::default() };
    snapshot("summary-narrow-64x96.txt", &summary::table(&narrow, 64, 96));
}

#[test]
fn the_table_counts_the_parameters_that_there_are() {
    for model in [
        Model::default(),
        Model { branches: Branches::Shared, ..Model::default() },
        Model { gradient_decoder: false, width: 0.125, ..Model::default() },
    ] {
        let counted: usize = layers(&model).iter().map(|l| l.parameters()).sum();
        let there: usize = network(&model).params().trained().iter().map(|(_, v)| v.elem_count()).sum();
        assert_eq!(counted, there);
    }
    let count =
        |branches| -> usize { layers(&Model { branches, ..Model::default() }).iter().map(|l| l.parameters()).sum() };
    // design: 59.5 M with shared branches, 71.8 M with independent ones
    assert_eq!((count(Branches::Shared) as f64 / 1e5).round(), 595.0);
    assert_eq!((count(Branches::Independent) as f64 / 1e5).round(), 718.0);
}

#[test]
fn every_variant_keeps_the_size_and_its_layers_add_up_to_the_input() {
    for (branches, output, gradient_decoder) in [
        (Branches::Independent, Output::Background, true),
        (Branches::Shared, Output::Residual, true),
        (Branches::Independent, Output::Residual, false),
    ] {
        let model = Model { width: 1.0 / 32.0, branches, output, gradient_decoder, ..Model::default() };
        let x = Tensor::rand(0f32, 1f32, (1, 3, 32, 64), &Device::Cpu).unwrap();
        let out = network(&model).forward(&x, Pass::eval()).unwrap();
        assert_eq!(out.background.dims(), [1, 3, 32, 64]);
        assert_eq!(out.gradient.as_ref().map(|g| g.dims().to_vec()), gradient_decoder.then(|| vec![1, 1, 32, 64]));
        let rest = ((out.background + out.reflection).unwrap() - x).unwrap().abs().unwrap();
        assert!(rest.max_all().unwrap().to_scalar::<f32>().unwrap() < 1e-5);
    }
}

#[test]
fn a_seed_gives_the_same_weights_again_and_another_seed_others() {
    let model = Model { width: 1.0 / 64.0, ..Model::default() };
    let first = |seed| {
        let net = Corrn::new(&model, seed, DType::F32, &Device::Cpu).unwrap();
        net.params().all()[0].var.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
    let bound = 1.0 / 27f32.sqrt();
    assert!(first(1).iter().all(|v| v.abs() <= bound) && first(1).iter().any(|v| v.abs() > 0.3 * bound));
}

#[test]
fn sizes_that_are_no_multiples_of_32_are_refused() {
    let net = network(&Model { width: 1.0 / 64.0, ..Model::default() });
    for dims in [(1, 3, 33, 64), (1, 3, 0, 32), (1, 1, 32, 32), (1, 4, 32, 32)] {
        let x = Tensor::zeros(dims, DType::F32, &Device::Cpu).unwrap();
        assert!(net.forward(&x, Pass::eval()).unwrap_err().to_string().contains("multiples of 32"), "{dims:?}");
    }
}

/// From there every channel of R can grow and shrink; as PyTorch begins a norm, half of the pixels pass no gradient.
#[test]
fn a_network_that_gives_r_begins_with_a_faint_one_in_every_channel() {
    let net = network(&Model { width: 1.0 / 8.0, output: Output::Residual, ..Model::default() });
    let image = Tensor::rand(0f32, 1f32, (2, 3, 64, 96), &Device::Cpu).unwrap();
    let r = net.forward(&image, Pass::train()).unwrap().reflection;
    let channels = r.transpose(0, 1).unwrap().flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
    for (c, values) in channels.iter().enumerate() {
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let alive = values.iter().filter(|v| **v > 0.0).count() as f32 / values.len() as f32;
        assert!((0.09..0.13).contains(&mean) && alive > 0.75, "channel {c}: mean {mean}, {alive} of it alive");
    }
}

/// Outputs, gradients and running statistics of a pass over the network, with channels in an order between the layers.
fn pass_over(model: &Model, format: Format, own_tape: bool) -> Vec<Vec<f32>> {
    let net = network(model);
    let image = Tensor::arange(0f32, 2.0 * 3.0 * 32.0 * 64.0, &Device::Cpu).unwrap();
    let image = image.reshape((2, 3, 32, 64)).unwrap().sin().unwrap().abs().unwrap();
    let pass = Pass::train().with_format(format);
    let (out, tape) = if own_tape {
        let (out, tape) = net.record(&image, pass).unwrap();
        (out, Some(tape))
    } else {
        (net.forward(&image, pass).unwrap(), None)
    };
    let all = [&out.background, &out.reflection, out.gradient.as_ref().unwrap()];
    let loss = all.map(|t| t.sqr().unwrap().mean_all().unwrap()).into_iter().reduce(|a, b| (a + b).unwrap()).unwrap();
    let gradients = tape.map_or_else(|| loss.backward(), |tape| tape.backward(&loss)).unwrap();
    let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let mut found: Vec<Vec<f32>> = all.map(values).into();
    // Biases before a batch norm have none: it takes them away.
    let left_out: Vec<String> =
        layers(model).into_iter().filter(|l| l.bias && l.norm.is_some()).map(|l| format!("{}.bias", l.name)).collect();
    for (name, var) in net.params().trained() {
        match gradients.get(&var) {
            Some(gradient) => found.push(values(gradient)),
            None => assert!(left_out.contains(&name), "{name} has no gradient"),
        }
    }
    found.extend(net.params().all().iter().map(|p| values(&p.var.as_detached_tensor())));
    found
}

/// The whole network with channels last between the layers: the wiring, and every gradient, to the bit. On the CPU the operations
/// are the same ones; what differs is the order of everything between them.
#[test]
fn either_order_between_the_layers_is_the_same_network() {
    for (branches, output) in [(Branches::Independent, Output::Background), (Branches::Shared, Output::Residual)] {
        let model = Model { width: 1.0 / 32.0, branches, output, ..Model::default() };
        let [first, last] = [Format::ChannelsFirst, Format::ChannelsLast].map(|format| pass_over(&model, format, true));
        assert!(first == last, "{branches:?}, {output:?}");
        assert!(first.iter().flatten().any(|v| *v != 0.0));
    }
}

/// The tape that training takes, beside Candle's: values that are used often add up their gradients in another order.
#[test]
fn gradients_are_those_of_candles_tape() {
    for branches in [Branches::Independent, Branches::Shared] {
        let model = Model { width: 1.0 / 32.0, branches, ..Model::default() };
        let [ours, theirs] = [true, false].map(|own_tape| pass_over(&model, Format::ChannelsFirst, own_tape));
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let largest = theirs.iter().fold(0f32, |m, v| m.max(v.abs())).max(1e-6);
            let off = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max) / largest;
            assert!(ours.len() == theirs.len() && off < 1e-3, "{branches:?}: a gradient is off by {off}");
        }
    }
}
