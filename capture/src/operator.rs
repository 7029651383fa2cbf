//! Who moves the set: a person at a terminal, or, in a rehearsal, the simulated set itself.

use std::{
    io::{BufRead, IsTerminal},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::Duration,
};

use manifests::plan::{Plan, Scene, Subject};

use crate::{Error, plan::Setup, progress::Progress, rehearsal, signals::Stop};

/// Who moves the set.
pub(crate) struct Operator {
    /// Lines from the person; none when every prompt is confirmed at once.
    answers: Option<Receiver<String>>,
    set: Option<rehearsal::Operator>,
}

impl Operator {
    /// A person, or with `yes` nobody; `set` is moved when a prompt is confirmed.
    pub(crate) fn new(yes: bool, set: Option<rehearsal::Operator>) -> Self {
        let answers = (!yes).then(|| {
            let (tx, rx) = channel();
            // A thread, so that Ctrl-C is heard while nobody answers.
            std::thread::spawn(move || {
                for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                    if tx.send(line).is_err() {
                        break;
                    }
                }
            });
            rx
        });
        Self { answers, set }
    }

    /// Whether a person answers.
    pub(crate) fn is_person(&self) -> bool {
        self.answers.is_some()
    }

    /// Tells what to do, and waits until it is done.
    pub(crate) fn arrange(
        &self,
        plan: &Plan,
        from: Option<&Setup>,
        to: &Setup,
        p: &Progress,
        stop: &Stop,
    ) -> Result<(), Error> {
        let scene = plan.scenes.iter().find(|s| s.id == to.scene);
        self.confirm(&instructions(scene, from, to), p, stop)?;
        if let Some(set) = &self.set {
            scene.map_or_else(|| set.set_scene(to.scene.as_str()), |s| set.set_planned_scene(s));
            set.set_subject(to.subject);
            if let Some(mm) = to.focal_length {
                set.set_focal_length(mm.get());
            }
        }
        Ok(())
    }

    /// Shows a prompt and waits for Enter.
    pub(crate) fn confirm(&self, prompt: &str, progress: &Progress, stop: &Stop) -> Result<(), Error> {
        let Some(answers) = &self.answers else {
            progress.prompt(prompt);
            return stop.check();
        };
        progress.prompt(&format!("{prompt}  [Enter when done, Ctrl-C to stop here]"));
        loop {
            stop.check()?;
            match answers.recv_timeout(Duration::from_millis(50)) {
                Ok(_) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let how = if std::io::stdin().is_terminal() { "" } else { ", as the input is no terminal" };
                    return Err(Error::Input(format!(
                        "nobody answers the prompt{how}: run in a terminal, or confirm every prompt with --yes"
                    )));
                }
            }
        }
    }
}

/// What changes from one setup to the next, as sentences.
pub(crate) fn instructions(scene: Option<&Scene>, from: Option<&Setup>, to: &Setup) -> String {
    let mut words = Vec::new();
    let moved = from.is_none_or(|f| f.scene != to.scene);
    if moved {
        words.push(format!("Go to scene {}.", to.scene));
        words.extend(scene.and_then(|s| s.prompt.clone()));
    }
    if moved || from.is_none_or(|f| f.subject != to.subject) {
        words.push(
            match to.subject {
                Subject::Reflection => "Put the glass before the lens and hang the black paper behind it.",
                Subject::Mixture => "Put the glass before the lens, without the paper.",
                Subject::Background => "Take glass and paper away; the camera stays where it is.",
            }
            .into(),
        );
    }
    if let Some(mm) = to.focal_length
        && from.and_then(|f| f.focal_length) != Some(mm)
    {
        words.push(format!("Turn the zoom ring to {mm} mm."));
    }
    if words.is_empty() { "Leave everything as it is.".into() } else { words.join(" ") }
}
