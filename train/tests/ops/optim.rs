//! Adam and AdamW against PyTorch, and their state.

use candle_core::{DType, Device, Tensor, Var};
use train::optim::{Adam, AdamConfig, Average, Backup};

use crate::golden::committed;
use crate::support::{device, error, on_gpu, random, values};

on_gpu!(
    follows_pytorch,
    resumes_exactly,
    refuses_foreign_states_and_settings,
    skips_variables_without_gradient,
    averages_follow_their_formula,
    what_was_kept_last_comes_back,
);

/// A gradient store that holds `g` for `var`.
fn gradients(var: &Var, g: &Tensor) -> candle_core::backprop::GradStore {
    (var.as_tensor() * g).unwrap().sum_all().unwrap().backward().unwrap()
}

#[test]
fn follows_pytorch() {
    let golden = committed();
    let base = AdamConfig { lr: 1e-2, ..AdamConfig::default() };
    for (name, config) in [
        ("adam", base),
        ("adam_decay", AdamConfig { beta1: 0.8, beta2: 0.99, weight_decay: 0.1, ..base }),
        ("adamw", AdamConfig { weight_decay: 0.1, decoupled: true, ..base }),
    ] {
        for dtype in [DType::F64, DType::F32] {
            let get = |key: &str| golden[&format!("{name}.{key}")].to_dtype(dtype).unwrap();
            let var = Var::from_tensor(&get("p")).unwrap();
            let mut adam = Adam::new(vec![("w".into(), var.clone())], config).unwrap();
            let bound = if dtype == DType::F64 { 1e-12 } else { 1e-5 };
            for step in 0..6 {
                adam.step(&gradients(&var, &get("g").get(step).unwrap())).unwrap();
                let off = error(&var, &get("after").get(step).unwrap());
                assert!(off < bound, "{name} {dtype:?}: step {step} off by {off}");
            }
            assert_eq!(adam.steps(), 6);
            for (key, moment) in adam.state().unwrap() {
                assert!(error(&moment, &get(key.strip_suffix(".w").unwrap())) < bound, "{name}: {key}");
            }
        }
    }
}

/// Going on from a saved state gives the same values, bit for bit, as never having stopped.
#[test]
fn resumes_exactly() {
    let config = AdamConfig { weight_decay: 0.01, ..AdamConfig::default() };
    let start = random(1, &[5, 7]).to_dtype(DType::F32).unwrap();
    let g = |i: u64| random(10 + i, &[5, 7]).to_dtype(DType::F32).unwrap();
    let straight = Var::from_tensor(&start).unwrap();
    let mut adam = Adam::new(vec![("w".into(), straight.clone())], config).unwrap();
    let mut halfway = None;
    for i in 0..6 {
        if i == 3 {
            halfway = Some((adam.steps(), adam.state().unwrap(), straight.as_tensor().copy().unwrap()));
        }
        adam.step(&gradients(&straight, &g(i))).unwrap();
    }
    let (steps, state, value) = halfway.unwrap();
    // From a file they come on the CPU.
    let state: Vec<_> = state.into_iter().map(|(name, t)| (name, t.to_device(&Device::Cpu).unwrap())).collect();
    let resumed = Var::from_tensor(&value).unwrap();
    let mut adam = Adam::new(vec![("w".into(), resumed.clone())], config).unwrap();
    adam.load_state(steps, &state).unwrap();
    for i in 3..6 {
        adam.step(&gradients(&resumed, &g(i))).unwrap();
    }
    assert_eq!(error(&resumed, &straight), 0.0);
}

#[test]
fn refuses_foreign_states_and_settings() {
    let var = || Var::from_tensor(&random(1, &[3])).unwrap();
    let mut adam = Adam::new(vec![("w".into(), var())], AdamConfig::default()).unwrap();
    let mut state = adam.state().unwrap();
    let mut refused = |state: &[(String, Tensor)], part: &str| {
        let message = adam.load_state(1, state).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
        assert_eq!(adam.steps(), 0);
    };
    refused(&state[..1], "no exp_avg_sq.w");
    state.push(("exp_avg.v".into(), random(1, &[3])));
    refused(&state, "exp_avg.v, which no variable");
    state.pop();
    state[0].1 = random(1, &[4]);
    refused(&state, "exp_avg.w is ([4]");
    let new = |vars, config| Adam::new(vars, config).map(|_| ()).unwrap_err().to_string();
    let twice = vec![("w".into(), var()), ("w".into(), var())];
    assert!(new(twice, AdamConfig::default()).contains("two variables are called w"));
    assert!(new(vec![], AdamConfig { beta1: 1.0, ..AdamConfig::default() }).contains("beta1"));
    assert!(new(vec![], AdamConfig { lr: f64::NAN, ..AdamConfig::default() }).contains("learning rate"));
}

/// A variable outside the graph keeps its value; the others move.
#[test]
fn skips_variables_without_gradient() {
    let (used, unused) = (Var::from_tensor(&random(1, &[3])).unwrap(), Var::from_tensor(&random(2, &[3])).unwrap());
    let before = (used.as_tensor().copy().unwrap(), unused.as_tensor().copy().unwrap());
    let vars = vec![("a".into(), used.clone()), ("b".into(), unused.clone())];
    let mut adam = Adam::new(vars, AdamConfig::default()).unwrap();
    adam.step(&gradients(&used, &random(3, &[3]))).unwrap();
    assert!(error(&used, &before.0) > 0.0);
    assert_eq!(error(&unused, &before.1), 0.0);
}

#[test]
fn averages_follow_their_formula() {
    let var = Var::new(&[2.0f64], &device()).unwrap();
    let average = Average::new(vec![("w".into(), var.clone())], 0.6).unwrap();
    let mut expected = 2.0;
    for step in 1..=40u64 {
        let weight = (step as f64).sin();
        var.set(&Tensor::new(&[weight], &device()).unwrap()).unwrap();
        average.update(step).unwrap();
        let keep = (1.0 + step as f64) / (10.0 + step as f64);
        expected = keep.min(0.6) * expected + (1.0 - keep.min(0.6)) * weight;
    }
    average.swap().unwrap();
    assert!((values(&var)[0] - expected).abs() < 1e-14);
    average.swap().unwrap();
    assert_eq!(values(&var), [40f64.sin()]);
}

#[test]
fn what_was_kept_last_comes_back() {
    for dtype in [DType::F32, DType::F64] {
        let values_of = |v: f64| Tensor::new(&[v, f64::NAN, -v], &device()).unwrap().to_dtype(dtype).unwrap();
        let var = Var::from_tensor(&values_of(1.0)).unwrap();
        let backup = Backup::new(vec![("w".into(), var.clone())]).unwrap();
        for kept in [2.0, 3.0] {
            // A way to 1e9 and back by differences would not end where it began.
            var.set(&values_of(kept)).unwrap();
            backup.keep().unwrap();
            var.set(&values_of(1e9)).unwrap();
            backup.restore().unwrap();
            let found = values(&var);
            assert!(found[0] == kept && found[1].is_nan() && found[2] == -kept, "{found:?} and not {kept}");
        }
    }
    let other = Var::zeros(2, DType::U8, &device()).unwrap();
    assert!(Backup::new(vec![("w".into(), other)]).is_err());
}
