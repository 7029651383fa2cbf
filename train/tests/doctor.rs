//! `train doctor` as a process.

use std::process::Command;

#[test]
fn doctor_tests_each_operation() {
    let done = Command::new(env!("CARGO_BIN_EXE_train")).arg("doctor").output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{text}{}", String::from_utf8_lossy(&done.stderr));
    for operation in [
        "convolution 7x7",
        "transposed convolution",
        "batch norm",
        "statistic loss",
        "Adam",
        "training step, f32",
        "training step, bf16",
        "whole network",
    ] {
        let line =
            text.lines().find(|line| line.starts_with(operation)).unwrap_or_else(|| panic!("{operation}: {text}"));
        let off: f64 =
            line.split_whitespace().find_map(|word| word.parse().ok().filter(|_| word.contains('e'))).unwrap();
        assert!(off < if operation.ends_with("bf16") { 2e-2 } else { 1e-3 }, "{line}");
    }
}
