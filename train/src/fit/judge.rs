//! A validation while a run goes on: scores, the sample picture, and which checkpoints are kept for them.

use candle_core::Device;
use manifests::run::{Record, Run};

use super::{
    folder::RunFolder, progress::Progress, record, schedule::Plan, stop::Stop, trainer::Trainer,
    training_data::TrainingData,
};
use crate::{Error, checkpoint::Header};

/// What validations need that does not change.
pub(super) struct Judge<'a> {
    pub(super) run: &'a Run,
    pub(super) plan: &'a Plan,
    pub(super) data: &'a TrainingData,
    pub(super) device: &'a Device,
    pub(super) stop: &'a Stop,
}

impl Judge<'_> {
    /// Validates the weights of the trainer's step (their moving average, where the run has one), notes the scores in the header,
    /// and keeps them if they are among the best. Given up for a stop, nothing of it is there but a word in the header, and the
    /// answer is false.
    ///
    /// # Errors
    /// A picture that cannot be read, what the folder answers.
    pub(super) fn validate(
        &self,
        trainer: &Trainer,
        header: &mut Header,
        folder: &mut RunFolder,
        progress: &Progress,
        epoch: u64,
    ) -> Result<bool, Error> {
        let step = trainer.step;
        header.validation_due = true;
        if self.stop.requested() {
            return Ok(false);
        }
        trainer.swap_average()?;
        trainer.reestimate(self.data.precise_batches()?)?;
        let Some(report) = self.data.validation.run(&trainer.net, self.device, self.stop)? else {
            trainer.swap_average()?;
            return Ok(false);
        };
        header.validation_due = false;
        let best = header.best_ssim.is_none_or(|best| report.output.ssim > best);
        progress.validation(step, &report.output, &report.input, best);
        folder.sample(step, &report.picture)?;
        header.scores = Some(report.output);
        // One that `--max-steps` asked for does not bring the end nearer: the run would end elsewhere than in one piece.
        let counts = u64::from(self.plan.validates(step));
        header.without_gain = if best { 0 } else { header.without_gain + counts };
        if best {
            header.best_ssim = Some(report.output.ssim);
            trainer.save(&folder.best(), header, false)?;
        }
        if header.keep(step, report.output.ssim, self.run.schedule.keep_best) {
            trainer.save(&folder.kept(step), header, false)?;
        }
        let (validation, validation_input) = (Some(report.output), Some(report.input));
        folder.record(&Record { validation, validation_input, ..record(step, epoch, header) })?;
        trainer.swap_average()?;
        Ok(true)
    }
}
