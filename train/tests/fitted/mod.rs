//! Runs of a small network on a small data set, and their losses.

use std::path::PathBuf;

use manifests::run::{METRICS_FILE, Record};

use crate::support::{data_set_of, failure, run_file, train};

/// Whether there is a GPU. Without one the tests say that they skip, or fail where VITRINE_REQUIRE_GPU is 1.
#[cfg(feature = "cuda")]
pub(crate) fn gpu() -> bool {
    match train::device::parse("cuda:0") {
        Ok(_) => true,
        Err(e) if std::env::var("VITRINE_REQUIRE_GPU").is_ok_and(|v| v == "1") => panic!("{e}"),
        Err(e) => {
            println!("SKIPPED: {e}");
            false
        }
    }
}

/// A data set and a run.
pub(crate) struct Fixture {
    folder: tempfile::TempDir,
    pub(crate) run: String,
}

impl Fixture {
    /// Training samples of two sizes, whose shorter side is `side`, in batches of 3.
    pub(crate) fn new(epochs: u64, samples: u64, side: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        data_set_of(&folder.path().join("data"), [samples, 2, 2], side);
        let run = run_file(folder.path(), epochs).display().to_string();
        Self { folder, run }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(crate) fn fit(&self, out: &str, device: &str, more: &[&str]) {
        let done = train(&[&["fit", &self.run, "--out", &self.text(out), "--device", device], more].concat());
        assert!(done.status.success(), "{device} {more:?}: {:?}", failure(&done));
    }

    /// Losses of the records, in order.
    pub(crate) fn losses(&self, out: &str) -> Vec<f64> {
        let rows = manifests::read_log::<Record>(&self.path(out).join(METRICS_FILE)).unwrap().rows;
        rows.iter().filter_map(|r| Some(r.train.as_ref()?.loss)).collect()
    }
}

/// Largest difference, relative to the second.
pub(crate) fn apart(found: &[f64], expected: &[f64]) -> f64 {
    assert!(found.len() == expected.len() && !found.is_empty(), "{found:?} beside {expected:?}");
    found.iter().zip(expected).map(|(f, e)| (f - e).abs() / e.abs()).fold(0.0, |m, d| if d <= m { m } else { d })
}
