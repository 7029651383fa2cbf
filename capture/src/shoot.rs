//! The main path: plan, prompt, set, read back, shoot, download, verify, record.

mod dated;
mod flight;
mod focus;
mod keep;
mod meter;
mod take;
mod unplanned;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use manifests::{plan::Plan, read_yaml};

use crate::{
    Error,
    camera::{Address, Camera, Choices, Kind, Setting},
    journal::Journal,
    live::{Board, Turned, View},
    operator::Operator,
    plan::{self, PlannedShot, Setup},
    preflight,
    progress::{Progress, Summary},
    session::Folder,
    signals::Stop,
    store,
    tether::{Tether, wait},
};
use take::Shooter;

pub(crate) use unplanned::FOLDER as UNPLANNED_FOLDER;

/// A session to shoot, as `run` and `live` are told of it.
#[derive(Debug, Clone, clap::Args)]
pub struct Job {
    /// The plan, YAML.
    pub plan: PathBuf,
    /// The session's folder.
    #[arg(long, value_name = "DIR")]
    pub session: PathBuf,
    /// usb, usb:BUS,DEV, ptpip:HOST[:PORT], or rehearsal[:SCENE.yaml], a simulated body.
    #[arg(long, default_value = "usb")]
    pub camera: Address,
    /// Confirm every prompt; an option of `run` alone.
    #[arg(skip)]
    pub yes: bool,
    /// One JSON line a shot and a summary on the standard output; messages go to the standard error.
    #[arg(long)]
    pub json: bool,
    /// A shell command after each stored shot: the shot as JSON on its standard input, CAPTURE_FILE, CAPTURE_KEY,
    /// CAPTURE_INDEX, CAPTURE_SCENE, CAPTURE_SUBJECT and CAPTURE_SESSION in its environment (CAPTURE_UNPLANNED
    /// instead of the middle three for one from the body's own button). Its failure is reported and costs no shot.
    #[arg(long, value_name = "COMMAND")]
    pub hook: Option<String>,
    /// Meter every setup again, as after the light changed: what an earlier run metered is not used any more. The journal
    /// keeps both; shots that are stored already stay as they are.
    #[arg(long)]
    pub meter_anew: bool,
    /// Rehearsal camera: what goes wrong, YAML.
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// Rehearsal camera: exposures take their time.
    #[arg(long)]
    pub real_time: bool,
}

impl Job {
    /// Refuses options that do not go together.
    ///
    /// # Errors
    /// [`Error::Input`].
    pub(crate) fn check(&self) -> Result<(), Error> {
        if (self.faults.is_some() || self.real_time) && !matches!(self.camera, Address::Rehearsal(_)) {
            return Err(Error::Input("--faults and --real-time are for --camera rehearsal".into()));
        }
        Ok(())
    }
}

/// Shoots what a plan asks for and a session does not have yet.
///
/// # Errors
/// [`Error`]; what was stored stays, and the same call continues behind it.
pub fn run(job: &Job) -> Result<(), Error> {
    run_watched(job, &Stop::listen()?, None)
}

/// As [`run`], with what a page shows and a stop that others may ask for.
pub(crate) fn run_watched(job: &Job, stop: &Stop, board: Option<Arc<Board>>) -> Result<(), Error> {
    let plan: Plan = read_yaml(&job.plan)?;
    let shots = plan::list(&plan);
    let folder = Folder::open(&job.session, &plan)?;
    let mut journal = Journal::open(&folder.root)?;
    let pending: Vec<&PlannedShot> = shots.iter().filter(|s| !journal.is_done(&s.key)).collect();
    let progress = Progress::new(job.json, shots.len(), journal.done()).on(board, journal.done());
    let (begun, done_before) = (Instant::now(), journal.done());
    let mut summary = Summary {
        planned: shots.len(),
        stored: done_before,
        shot: 0,
        rescued: 0,
        disagreements: 0,
        unplanned: 0,
        hook_failures: 0,
        bytes: 0,
        seconds: 0.0,
        complete: pending.is_empty(),
    };
    if pending.is_empty() {
        progress.end(&summary);
        return Ok(());
    }
    if job.meter_anew && pending.iter().all(|s| s.metered.is_none()) {
        return Err(Error::Input(
            "--meter-anew: none of the shots that are left follows a metered exposure; leave it out".into(),
        ));
    }

    let initial = vec![Setting::Target(plan.camera.capture_target), Setting::Quality(plan.camera.quality)];
    let card = folder.root.join(".rehearsal-card");
    let tether = Tether::open(&job.camera, initial, Some(&card), job.faults.as_deref(), job.real_time, stop)?;
    let mut tether = tether.attended(!job.yes);
    let operator = Operator::new(job.yes, tether.set());
    let dates_ahead = ready(job, &plan, &pending, &mut tether, &progress, stop)?;
    let who = tether.steadily(&progress, stop, |c| c.identity())?;
    let begun_at = folder.begin(&plan, job.camera.kind(), &who)?;

    let mut shooter = Shooter::new(&plan, job, &folder.root, tether, &progress, stop);
    (shooter.dates_ahead, shooter.begun) = (dates_ahead, begun_at);
    let ended = shooter.shoot_all(&pending, &operator, &mut journal, &mut summary);
    summary.stored = journal.done();
    summary.shot = journal.done() - done_before;
    (summary.unplanned, summary.hook_failures) = (shooter.unplanned, shooter.hook_failures);
    summary.seconds = begun.elapsed().as_secs_f64();
    summary.complete = summary.stored == summary.planned;
    if summary.complete {
        store::tidy(&folder.root);
    }
    progress.end(&summary);
    let left = || Error::Failed("some shots could not be stored".into());
    let ended = ended.and_then(|()| if summary.complete { Ok(()) } else { Err(left()) });
    ended.map_err(|e| and_how_to_continue(e, &summary))
}

impl Shooter<'_> {
    /// Every shot that is pending; whatever ends it, the last one taken is stored and the lens stands where it was focused.
    fn shoot_all(
        &mut self,
        pending: &[&PlannedShot],
        operator: &Operator,
        journal: &mut Journal,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        let ended = self.shoot_setups(pending, operator, journal, summary);
        if ended.is_err() {
            let settled = self.settle_flight(journal, summary);
            if let (Err(Error::Stopped(_)), Err(e)) = (&ended, settled) {
                self.progress.note(&format!("{e}; that photograph is on the card, for the next run to find"));
            }
            self.leave_focus();
        }
        ended
    }

    /// Setup by setup.
    fn shoot_setups(
        &mut self,
        pending: &[&PlannedShot],
        operator: &Operator,
        journal: &mut Journal,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        self.note_card(journal)?;
        let mut setup: Option<Setup> = None;
        for group in pending.chunk_by(|a, b| a.setup(self.plan) == b.setup(self.plan)) {
            let next = group[0].setup(self.plan);
            if setup.is_some() {
                self.take_in_from_card(setup.as_ref(), journal)?;
            }
            let choices = self.arrange(operator, setup.as_ref(), &next, group)?;
            let stepped = group.iter().any(|s| s.settings.focus.is_some());
            if stepped && setup.is_none() && journal.done() > 0 && !operator.is_person() {
                self.progress.note(
                    "the session goes on with --yes, so nobody focuses: the focus steps count from where the lens stands \
                     now; run without --yes to focus on the subject first",
                );
            }
            let metered = self.meter(group, &next, &choices, journal)?;
            for shot in group {
                self.stop.check()?;
                if self.progress.board().is_some_and(Board::take_pause) {
                    self.settle_flight(journal, summary)?;
                    self.pause(operator, "Paused. Nothing is shot until you go on.", stepped)?;
                }
                let shot = metered.map_or_else(|| Ok((*shot).clone()), |m| m.resolve(shot, &choices.shutter))?;
                self.progress.begin(&shot, self.plan);
                self.shot_with_hands(operator, &shot, stepped, &next, journal, summary)?;
            }
            self.settle_flight(journal, summary)?;
            self.focus_back()?;
            setup = Some(next);
        }
        self.take_in_from_card(setup.as_ref(), journal)
    }

    /// A shot, of a setup where any of them steps the focus if `stepped`; where the camera cannot take it until somebody does something about it, and somebody is there, they are told,
    /// and it goes on from there.
    fn shot_with_hands(
        &mut self,
        operator: &Operator,
        shot: &PlannedShot,
        stepped: bool,
        setup: &Setup,
        journal: &mut Journal,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        loop {
            let e = match self.shot(shot, setup, journal, summary) {
                Err(Error::Camera(e)) if operator.is_person() && hands_help(e.kind) => e,
                ended => return ended,
            };
            self.settle_flight(journal, summary)?;
            self.pause(operator, &format!("{e}. The session goes on when that is done."), stepped)?;
            // Another card, another battery: what was known over the connection may not hold any more.
            self.tether.reopen(&e, self.progress, self.stop)?;
            // The error may have been of the shot before, whose photograph came in while this one was taken.
            if journal.is_done(&shot.key) {
                return Ok(());
            }
        }
    }

    /// Prompts, then checks what the camera says about it: the zoom, and the f-numbers that depend on it.
    fn arrange(
        &mut self,
        operator: &Operator,
        from: Option<&Setup>,
        to: &Setup,
        group: &[&PlannedShot],
    ) -> Result<Choices, Error> {
        let mut prompt = operator.arrange(self.plan, from, to);
        if group.iter().any(|s| s.settings.focus.is_some()) {
            prompt += " Focus on the subject: the focus steps count from there.";
        }
        // What a page turns at these prompts is the operator's focusing.
        self.focus = 0;
        self.confirm(operator, &prompt)?;
        let mut zoom = self.ask(|c| c.settings())?.focal_length_mm;
        while let (Some(wanted), Some(stands)) = (to.focal_length, zoom)
            && !plan::same_focal_length(wanted, stands)
        {
            let words = format!("the lens stands at {stands} mm and the plan wants {wanted} mm");
            if !operator.is_person() {
                return Err(Error::Failed(format!("{words}: with --yes nobody turns the ring")));
            }
            self.confirm(operator, &format!("No: {words}. Turn the zoom ring."))?;
            zoom = self.ask(|c| c.settings())?.focal_length_mm;
        }
        let choices = self.ask(|c| c.choices())?;
        plan::check(self.plan_path, group, &choices, zoom.or(to.focal_length))?;
        self.settle()?;
        Ok(choices)
    }

    /// Pauses for what was moved to come to rest.
    fn settle(&self) -> Result<(), Error> {
        wait(Duration::from_secs_f64(self.plan.camera.settle_seconds), self.stop)
    }

    /// Shows a prompt, with live view where a page watches, and waits for the answer.
    fn confirm(&mut self, operator: &Operator, prompt: &str) -> Result<(), Error> {
        self.prompt(operator, prompt).0
    }

    /// As [`Self::confirm`], with what the page did to the focus, however the prompt ended.
    fn prompt(&mut self, operator: &Operator, prompt: &str) -> (Result<(), Error>, Turned) {
        let mut view = View::new(self.progress.board());
        let answered = operator.confirm(prompt, self.progress, self.stop, &mut || view.show(&mut self.tether));
        view.close(&mut self.tether);
        (answered, view.turned())
    }
}

/// Whether somebody at the camera can put right what it could not do.
fn hands_help(kind: Kind) -> bool {
    !matches!(kind, Kind::Refused | Kind::Disk)
}

/// Refuses what the camera does not have, and what would be in vain, before the first shot. Answers what the dates in the
/// body's files are ahead.
fn ready(
    job: &Job,
    plan: &Plan,
    pending: &[&PlannedShot],
    tether: &mut Tether,
    progress: &Progress,
    stop: &Stop,
) -> Result<Option<i64>, Error> {
    let (status, choices, settings) =
        tether.steadily(progress, stop, |c| Ok((c.status()?, c.choices()?, c.settings()?)))?;
    plan::check(&job.plan, pending, &choices, settings.focal_length_mm)?;
    let estimate = plan::estimate(plan, pending, status.bytes_each());
    let found = preflight::findings(plan, &status, &estimate, preflight::disk_free(&job.session));
    preflight::judge(&found, progress)?;
    Ok(status.dates_ahead)
}

/// Adds to what ended a session how it goes on.
fn and_how_to_continue(e: Error, summary: &Summary) -> Error {
    let (stored, planned) = (summary.stored, summary.planned);
    match e {
        Error::Stopped(_) => Error::Stopped(format!(
            "stopped with {stored} of {planned} shots stored and nothing lost; run the same command again to continue"
        )),
        Error::Input(_) => e,
        Error::Manifest(ref inner) if inner.is_bad_input() => e,
        e => Error::Failed(format!(
            "{e}; {stored} of {planned} shots are stored, and running the same command again continues from there"
        )),
    }
}
