//! `--hook`: a command of the user's own after each stored shot, to turn a stage, move a lamp or copy a file.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use manifests::session::{Shot, ShotFile, Unplanned};
use serde::Serialize;

use crate::signals::Stop;

/// How long a command may go on after Ctrl-C.
const GRACE: Duration = Duration::from_secs(5);

/// A command, and the session that it is run for.
#[derive(Debug)]
pub(crate) struct Hook<'a> {
    command: Option<&'a str>,
    session: &'a Path,
}

impl<'a> Hook<'a> {
    /// Without a command every call does nothing.
    pub(crate) fn new(command: Option<&'a str>, session: &'a Path) -> Self {
        Self { command, session }
    }

    /// Runs the command for a shot that is stored and recorded; the next one waits for it.
    ///
    /// # Errors
    /// Why it failed, in words: the shot is safe all the same.
    pub(crate) fn shot(&self, shot: &Shot, stop: &Stop) -> Result<(), String> {
        let index = shot.index.to_string();
        let subject = shot.subject.to_string();
        let more =
            [("CAPTURE_INDEX", index.as_str()), ("CAPTURE_SCENE", shot.scene.as_str()), ("CAPTURE_SUBJECT", &subject)];
        self.run(&shot.key, &shot.files, &more, shot, stop)
    }

    /// Runs the command for a photograph that nobody planned.
    ///
    /// # Errors
    /// As [`Hook::shot`].
    pub(crate) fn unplanned(&self, photograph: &Unplanned, stop: &Stop) -> Result<(), String> {
        self.run(&photograph.key, &photograph.files, &[("CAPTURE_UNPLANNED", "1")], photograph, stop)
    }

    fn run(
        &self,
        key: &str,
        files: &[ShotFile],
        more: &[(&str, &str)],
        record: &impl Serialize,
        stop: &Stop,
    ) -> Result<(), String> {
        let Some(text) = self.command else { return Ok(()) };
        let failed = |e: std::io::Error| format!("the hook cannot be run for {key}: {e}");
        let session = std::path::absolute(self.session).map_err(failed)?;
        let mut command = Command::new("sh");
        command.args(["-c", text]).env("CAPTURE_SESSION", &session).env("CAPTURE_KEY", key);
        if let Some(first) = files.first() {
            command.env("CAPTURE_FILE", first.path.under(&session));
        }
        command.envs(more.iter().copied()).stdin(Stdio::piped());
        // The standard output is the session's, for JSON lines or the summary. A group of its own: Ctrl-C at the
        // terminal is for the session, which then ends the hook with everything that it started.
        command.stdout(std::io::stderr()).process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        if let (Some(mut stdin), Ok(json)) = (child.stdin.take(), serde_json::to_string(record)) {
            // A hook that does not read it closes it.
            let _ = writeln!(stdin, "{json}");
        }
        let status = wait(&mut child, stop).map_err(failed)?;
        match status {
            None => Err(format!("the hook was ended in the middle of {key}")),
            Some(status) if !status.success() => Err(format!("the hook failed for {key}: {status}")),
            Some(_) => Ok(()),
        }
    }
}

/// Waits for the command; none where the user stops the session and the command with it.
fn wait(child: &mut Child, stop: &Stop) -> std::io::Result<Option<std::process::ExitStatus>> {
    let mut pause = Duration::from_millis(1);
    let mut asked = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if stop.asked() && asked.get_or_insert_with(Instant::now).elapsed() > GRACE {
            if let Some(group) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
                // It may have ended since.
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            child.wait()?;
            return Ok(None);
        }
        sleep(pause);
        pause = (2 * pause).min(Duration::from_millis(50));
    }
}
