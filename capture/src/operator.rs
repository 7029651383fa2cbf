//! Who moves the set: a person at a terminal, or, in a rehearsal, the simulated set itself.

use std::{
    io::{BufRead, IsTerminal},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::Duration,
};

use manifests::plan::{Plan, Scene, Subject};

use crate::{Error, live::Board, plan::Setup, progress::Progress, rehearsal, signals::Stop};

/// What is done while nobody has answered yet.
pub(crate) type Meanwhile<'a> = dyn FnMut() -> Duration + 'a;

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

    /// What to do for the next setup. The simulated hands have done it when this returns, so that live view shows it; a
    /// lens that stays at its scene keeps its focus.
    pub(crate) fn arrange(&self, plan: &Plan, from: Option<&Setup>, to: &Setup) -> String {
        let scene = plan.scenes.iter().find(|s| s.id == to.scene);
        if let Some(set) = &self.set {
            if from.is_none_or(|f| f.scene != to.scene) {
                scene.map_or_else(|| set.set_scene(to.scene.as_str()), |s| set.set_planned_scene(s));
            }
            set.set_subject(to.subject);
            if let Some(mm) = to.focal_length {
                set.set_focal_length(mm.get());
            }
        }
        instructions(scene, from, to)
    }

    /// Shows a prompt and waits for Enter, or for the page's button; `meanwhile` is done again and again, and answers
    /// how long to wait before the next time.
    pub(crate) fn confirm(
        &self,
        prompt: &str,
        progress: &Progress,
        stop: &Stop,
        meanwhile: &mut Meanwhile<'_>,
    ) -> Result<(), Error> {
        let Some(answers) = &self.answers else {
            progress.prompt(prompt);
            return stop.check();
        };
        // Enter that was pressed before anybody could read the prompt answers nothing. What comes in a pipe was written ahead.
        while std::io::stdin().is_terminal() && answers.try_recv().is_ok() {}
        progress.prompt(&format!("{prompt}  [Enter when done, Ctrl-C to stop here]"));
        let board = progress.board();
        if let Some(board) = board {
            board.open_prompt(prompt);
        }
        let answered = self.wait(answers, board, stop, meanwhile);
        if let Some(board) = board {
            board.close_prompt();
        }
        answered
    }

    fn wait(
        &self,
        answers: &Receiver<String>,
        board: Option<&Board>,
        stop: &Stop,
        meanwhile: &mut Meanwhile<'_>,
    ) -> Result<(), Error> {
        loop {
            stop.check()?;
            if board.is_some_and(Board::is_confirmed) {
                return Ok(());
            }
            let pause = meanwhile();
            match answers.recv_timeout(pause) {
                Ok(_) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
                // No terminal, but a page.
                Err(RecvTimeoutError::Disconnected) if board.is_some() => std::thread::sleep(pause),
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
