//! Files of weights: PyTorch's in both formats, torchvision's encoder, bare state_dicts, and what no file may do.
//! `golden/make_weights.py` makes them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use manifests::run::{Branches, Model};
use proptest::prelude::*;
use train::{
    checkpoint,
    net::{self, Corrn, Pass},
    weights::{Weights, vgg16_bn},
};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn values(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Reads a file of these bytes.
fn read(bytes: &[u8]) -> Result<Weights, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights");
    std::fs::write(&file, bytes).unwrap();
    Weights::read(&file).map_err(|e| {
        assert_eq!(e.exit_code(), 2, "{e}");
        e.to_string()
    })
}

#[test]
fn both_formats_of_torch_save_hold_the_same_tensors() {
    let expected = Weights::read(&golden("tensors.safetensors")).unwrap().tensors;
    for file in ["tensors.pth", "tensors-older.pth"] {
        let found = Weights::read(&golden(file)).unwrap().tensors;
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{file}");
        for (name, tensor) in &found {
            assert_eq!(tensor.dims(), expected[name].dims(), "{file} {name}");
            assert_eq!(tensor.dtype(), expected[name].dtype(), "{file} {name}");
            assert_eq!(values(tensor), values(&expected[name]), "{file} {name}");
        }
    }
}

#[test]
fn torchvisions_encoder_comes_in_under_the_networks_names() {
    let file = Weights::read(&golden("vgg16_bn.safetensors")).unwrap().tensors;
    let tensors = vgg16_bn(&golden("vgg16_bn.pth")).unwrap();
    let net = Corrn::new(&Model { width: 1.0 / 64.0, ..Model::default() }, 0, DType::F32, &Device::Cpu).unwrap();
    net.params().load_where(&tensors, |name| name.starts_with("convs")).unwrap();
    let loaded = |name: &str| values(net.params().all().iter().find(|p| p.name == name).unwrap().var.as_tensor());
    for (theirs, ours) in [
        ("features.0.weight", "convs1R.0.weight"),
        ("features.4.running_var", "convs1R.4.running_var"),
        ("features.7.bias", "convs2R.0.bias"),
        ("features.24.weight", "convs4R.0.weight"),
        ("features.41.running_mean", "convs5R.7.running_mean"),
    ] {
        assert_eq!(loaded(ours), values(&file[theirs]), "{theirs}");
    }
    assert_eq!(tensors.len(), 13 * 6);

    // Another width, and a file of something else.
    let wide = Corrn::new(&Model { width: 1.0 / 32.0, ..Model::default() }, 0, DType::F32, &Device::Cpu).unwrap();
    let encoder = |name: &str| name.starts_with("convs");
    let error = wide.params().load_where(&tensors, encoder).unwrap_err().to_string();
    assert!(error.contains("convs1R.0.weight is [1, 3, 3, 3] instead of [2, 3, 3, 3]"), "{error}");
    let other = Weights::read(&golden("tensors.pth")).unwrap().tensors;
    let error = wide.params().load_where(&other, encoder).unwrap_err().to_string();
    assert!(error.contains("missing convs1R.0.weight") && error.contains("and "), "{error}");
}

#[test]
fn a_bare_state_dict_says_by_its_shapes_which_network_it_is_of() {
    let folder = tempfile::tempdir().unwrap();
    for (branches, gradient_decoder, width) in [
        (Branches::Independent, true, 0.125),
        (Branches::Shared, true, 1.0 / 16.0),
        (Branches::Independent, false, 1.0 / 64.0),
    ] {
        let model = Model { width, branches, gradient_decoder, ..Model::default() };
        let there = Corrn::new(&model, 7, DType::F32, &Device::Cpu).unwrap();
        let tensors = there.params().all().iter().map(|p| (p.name.clone(), p.var.as_detached_tensor())).collect();
        assert_eq!(net::model_of(&tensors), Some(model));
        let file = folder.path().join("bare.safetensors");
        candle_core::safetensors::save(&tensors.into_iter().collect(), &file).unwrap();
        let found = checkpoint::network(&file, &Device::Cpu).unwrap();
        let x = Tensor::rand(0f32, 1f32, (1, 3, 32, 64), &Device::Cpu).unwrap();
        let output = |net: &Corrn| values(&net.forward(&x, Pass::eval()).unwrap().background);
        assert_eq!(output(&found), output(&there));
    }
    let error = checkpoint::network(&golden("tensors.pth"), &Device::Cpu).unwrap_err();
    assert!(error.to_string().contains("holds no weights of CoRRN"), "{error}");
}

#[test]
fn no_prefix_of_a_file_is_taken_for_a_whole_one() {
    for name in ["tensors.pth", "tensors-older.pth", "tensors.safetensors"] {
        let whole = std::fs::read(golden(name)).unwrap();
        let n = Weights::read(&golden(name)).unwrap().tensors.len();
        for end in 0..whole.len() {
            // The archive's directory and the last storage of the older format are at the end, so that nothing shorter is whole.
            assert!(read(&whole[..end]).is_err(), "{name} cut off at {end} of {} gave its {n} tensors", whole.len());
        }
    }
}

#[test]
fn pickles_that_nest_count_or_call_are_refused_in_a_sentence() {
    const MAGIC: &[u8] = &[0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
    const VERSION: &[u8] = &[0x80, 2, b'M', 0xe9, 3, b'.', 0x80, 2, b'}', b'.'];
    let older = |state: &[u8]| read(&[MAGIC, VERSION, state, b"].", b"].", &[0; 16]].concat()).unwrap_err();
    // A million tuples in one another.
    let nested = [b")".as_slice(), &[0x85; 1_000_000], b"."].concat();
    assert!(older(&nested).contains("holds no dict of tensors"));
    assert!(older(b"cos\nsystem\n(X\x02\0\0\0idtR.").contains("holds no dict of tensors"));
    assert!(older(b"I1\n.").contains("opcode 0x49"));
    assert!(older(b"X\xff\xff\xff\xffa.").contains("it ends early"));
    // A tensor of 2^62 numbers in a storage of 1.
    let huge = b"}X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0kX\x03\0\0\0cpuK\x01tQ\
        K\0(\x8a\x08\0\0\0\0\0\0\0\x40t(K\0t\x89NtRs.";
    let file = [MAGIC, VERSION, huge, b"]X\x01\0\0\0ka.", &1i64.to_le_bytes(), &1f32.to_le_bytes()].concat();
    assert!(read(&file).unwrap_err().contains("more numbers than the file has bytes"), "{:?}", read(&file));
    assert!(read(b"").is_err() && read(b"PK\x03\x04").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever bytes change, the reader answers, and takes no more memory than the file asks for.
    #[test]
    fn changed_bytes_never_end_the_program(
        which in 0usize..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = std::fs::read(golden(["tensors.pth", "tensors-older.pth", "tensors.safetensors", "vgg16_bn.pth"][which])).unwrap();
        for (place, value) in changes {
            let place = place.index(bytes.len().min(6000));
            bytes[place] = value;
        }
        if let Ok(weights) = read(&bytes) {
            let numbers: usize = weights.tensors.values().map(Tensor::elem_count).sum();
            prop_assert!(numbers <= bytes.len());
        }
    }
}
