//! What happens when the loss is not a finite number: the batch is kept to look at, and a run that does not recover goes
//! back to its last checkpoint once.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    folder::RunFolder,
    trainer::{Figures, Trainer},
};
use crate::{
    Error,
    checkpoint::Checkpoint,
    data::{self, Batch},
};

/// Losses in a row that may be infinite or not a number before the run goes back to its last checkpoint.
const IN_A_ROW: u32 = 3;
/// Names of the loss's terms in [`Figures::terms`], as the metrics have them.
const TERMS: [&str; 6] = ["ssim_b", "statistic_b", "l1_b", "ssim_r", "statistic_r", "si_gradient"];

/// What a step's loss asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Nothing: it is a number.
    Fine,
    /// The batch was passed over and is kept in this folder.
    Skipped(PathBuf),
    /// As [`Verdict::Skipped`]; weights and moments are those of the last checkpoint again. The position in the data
    /// is not: the batches in between would lead to the same place.
    RolledBack(PathBuf),
}

/// Watches the losses. Its state is that of a new one whenever a checkpoint is due, so that none needs to hold it.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    in_a_row: u32,
    rolled_back: bool,
}

impl Guard {
    /// Whether the last loss was a number: only then are the weights worth a checkpoint.
    pub(crate) fn steady(&self) -> bool {
        self.in_a_row == 0
    }

    /// A checkpoint was written: the run may go back to it.
    pub(crate) fn saved(&mut self) {
        self.rolled_back = false;
    }

    /// Judges the step that the trainer has just done.
    ///
    /// # Errors
    /// Where the losses stay bad after the run went back, or there is no checkpoint to go back to.
    pub(crate) fn watch(
        &mut self,
        figures: &Figures,
        batches: &[Batch],
        trainer: &mut Trainer,
        folder: &RunFolder,
    ) -> Result<Verdict, Error> {
        if figures.is_finite() {
            self.in_a_row = 0;
            return Ok(Verdict::Fine);
        }
        self.in_a_row += 1;
        // Without a number for the sum of several batches' gradients each of them may be the reason.
        let bad = figures.bad_batch.and_then(|i| batches.get(i)).map_or(batches, std::slice::from_ref);
        let kept = folder.bad_batch(trainer.step);
        keep(&kept, trainer.step, figures, bad)?;
        folder.prune_bad_batches()?;
        if self.in_a_row < IN_A_ROW {
            return Ok(Verdict::Skipped(kept));
        }
        let (step, last) = (trainer.step, folder.last());
        let diverged = |end: String| {
            let batches = kept.parent().unwrap_or(&kept).display();
            Error::Failed(format!(
                "the loss was not a finite number in {IN_A_ROW} steps in a row, up to step {step}, {end}; the batches are in \
                 {batches}: lower the learning rate"
            ))
        };
        if !last.is_file() {
            return Err(diverged("before the first checkpoint".into()));
        }
        if self.rolled_back {
            return Err(diverged(format!("also after going back to {}", last.display())));
        }
        trainer.restore(&Checkpoint::read(&last)?, &last)?;
        trainer.step = step;
        (self.in_a_row, self.rolled_back) = (0, true);
        Ok(Verdict::RolledBack(kept))
    }
}

/// Writes the pictures of batches, and last the samples' names and the loss with its terms.
fn keep(folder: &Path, step: u64, figures: &Figures, batches: &[Batch]) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::io(folder, "create"))?;
    let samples = || batches.iter().flat_map(|batch| (0..).zip(&batch.samples).map(move |(i, name)| (batch, i, name)));
    for (batch, place, name) in samples() {
        for (layer, pictures) in
            [("mixture", &batch.mixture), ("background", &batch.background), ("reflection", &batch.reflection)]
        {
            let picture = data::to_picture(&pictures.narrow(0, place, 1)?)?;
            data::save_png(&folder.join(format!("{name}.{layer}.png")), &picture)?;
        }
    }
    // JSON has neither infinity nor NaN: they are written as words.
    let number = |v: f64| if v.is_finite() { json!(v) } else { json!(v.to_string()) };
    let terms: serde_json::Map<String, Value> =
        TERMS.iter().zip(figures.terms).filter_map(|(name, v)| Some(((*name).to_owned(), number(v?)))).collect();
    let names: Vec<&String> = samples().map(|(_, _, name)| name).collect();
    let document = json!({ "step": step, "samples": names, "loss": number(figures.loss), "terms": terms });
    manifests::write_atomic(&folder.join("batch.json"), format!("{document:#}\n").as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use manifests::{io::parse_yaml, run::Run};

    use super::*;
    use crate::checkpoint::Header;

    const RUN: &str = "version: 1\nname: fixture\nseed: 3\ndata: {dataset: data}\nmodel: {width: 0.015625}\n";

    struct Fixture {
        root: tempfile::TempDir,
        trainer: Trainer,
        folder: RunFolder,
        batch: Batch,
        guard: Guard,
    }

    fn fixture() -> Fixture {
        let root = tempfile::tempdir().unwrap();
        let run: Run = parse_yaml(RUN, std::path::Path::new("run.yaml")).unwrap();
        let trainer = Trainer::new(&run, &Device::Cpu).unwrap();
        let folder = RunFolder::open(&root.path().join("run"), &run, false).unwrap();
        let layer = Tensor::rand(0f32, 0.5, (2, 3, 32, 32), &Device::Cpu).unwrap();
        let mixture = (&layer + 0.25).unwrap();
        let batch = Batch {
            samples: vec!["000004".into(), "000007".into()],
            mixture,
            background: layer.clone(),
            reflection: layer,
        };
        Fixture { root, trainer, folder, batch, guard: Guard::default() }
    }

    impl Fixture {
        fn step(&mut self) -> Result<Verdict, Error> {
            let batches = std::slice::from_ref(&self.batch);
            let figures = self.trainer.step(batches, 1e-4, || None).unwrap();
            self.guard.watch(&figures, batches, &mut self.trainer, &self.folder)
        }

        fn first_weights(&self) -> Vec<f32> {
            self.trainer.net.params().all()[0].var.flatten_all().unwrap().to_vec1().unwrap()
        }

        fn poison(&self) {
            let var = &self.trainer.net.params().all()[0].var;
            var.set(&Tensor::full(f32::NAN, var.shape(), &Device::Cpu).unwrap()).unwrap();
        }
    }

    #[test]
    fn three_bad_losses_go_back_to_the_checkpoint_once() {
        let mut f = fixture();
        assert_eq!(f.step().unwrap(), Verdict::Fine);
        let header = Header::new(parse_yaml(RUN, std::path::Path::new("run.yaml")).unwrap());
        f.trainer.save(&f.folder.last(), &header, true).unwrap();
        f.guard.saved();
        let saved = f.first_weights();

        f.poison();
        assert!(matches!(f.step().unwrap(), Verdict::Skipped(_)) && !f.guard.steady());
        assert!(matches!(f.step().unwrap(), Verdict::Skipped(_)));
        let Verdict::RolledBack(kept) = f.step().unwrap() else { panic!("did not go back") };
        assert_eq!((f.first_weights(), f.trainer.step), (saved, 4), "weights go back, the position does not");
        assert_eq!(kept, f.root.path().join("run/bad-batches/step-0000004"));
        let written = data::read_rgb(&kept.join("000007.background.png")).unwrap();
        assert_eq!(written, data::to_picture(&f.batch.background.narrow(0, 1, 1).unwrap()).unwrap());
        let text = fs::read_to_string(kept.join("batch.json")).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&document["samples"], &document["loss"]), (&json!(["000004", "000007"]), &json!("NaN")));
        assert_eq!(document["terms"].as_object().unwrap().len(), TERMS.len());

        let values = |p: &crate::net::params::Param| p.var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(f.trainer.net.params().all().iter().flat_map(values).all(f32::is_finite), "a number was lost");

        assert_eq!(f.step().unwrap(), Verdict::Fine);
        f.poison();
        for _ in 0..2 {
            assert!(matches!(f.step().unwrap(), Verdict::Skipped(_)));
        }
        let text = f.step().unwrap_err().to_string();
        assert!(text.contains("also after going back to") && text.lines().count() == 1, "{text}");
    }

    #[test]
    fn of_several_batches_the_bad_one_is_kept_and_the_oldest_go() {
        let mut f = fixture();
        let before = f.first_weights();
        let background = Tensor::full(f32::INFINITY, f.batch.background.shape(), &Device::Cpu).unwrap();
        let bad = Batch { samples: vec!["000005".into(), "000006".into()], background, ..f.batch.clone() };
        let batches = [f.batch.clone(), bad];
        for step in 1..=30 {
            let figures = f.trainer.step(&batches, 1e-4, || None).unwrap();
            let verdict = f.guard.watch(&figures, &batches, &mut f.trainer, &f.folder).unwrap();
            let Verdict::Skipped(kept) = verdict else { panic!("{verdict:?}") };
            assert!(kept.join("000005.mixture.png").is_file() && !kept.join("000004.mixture.png").exists());
            assert_eq!((f.trainer.step, f.first_weights()), (step, before.clone()));
            assert_eq!(f.step().unwrap(), Verdict::Fine);
            f.trainer.step -= 1;
            let var = &f.trainer.net.params().all()[0].var;
            var.set(&Tensor::from_slice(&before, var.shape(), &Device::Cpu).unwrap()).unwrap();
        }
        assert_eq!(fs::read_dir(f.root.path().join("run/bad-batches")).unwrap().count(), 20);
    }

    #[test]
    fn without_a_checkpoint_three_bad_losses_end_the_run() {
        let mut f = fixture();
        f.poison();
        assert!(f.step().is_ok() && f.step().is_ok());
        let text = f.step().unwrap_err().to_string();
        assert!(text.contains("before the first checkpoint") && text.contains("bad-batches"), "{text}");
    }
}
