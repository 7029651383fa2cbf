//! `capture rehearse`: the body alone, its set moved by lines on the standard input.

use std::io::{self, BufRead, Write};

use manifests::plan::Subject;
use serde_json::json;

use super::{Body, Operator, Options};

const HELP: &str = "scene ID | paper in|out | glass in|out | zoom MM | focus M | autofocus on|off | dial m|p | \
                    battery PERCENT | clock SECONDS | press | unplug | sleep SECONDS | status | help | quit";

/// More of anything than a set or a clock has: thirty years of seconds.
const MOST: f64 = 1e9;

/// Runs a body until the standard input says `quit`, or until the process is stopped. With `json`, what it says are JSON
/// lines: the port first, then for each command `status` or `error`.
///
/// # Errors
/// When the body does not start, or the standard output is closed.
pub fn serve(options: Options, json: bool) -> io::Result<()> {
    let body = Body::start(options)?;
    let port = body.port();
    let mut out = io::stdout();
    let client = format!("gphoto2 --camera \"Nikon DSC D5300\" --port ptpip:127.0.0.1:{port}:{port} --summary");
    if json {
        writeln!(out, "{}", json!({ "port": port, "client": client, "commands": HELP }))?;
    } else {
        writeln!(out, "rehearsal camera on port {port}\n{client}\ncommands: {HELP}")?;
    }
    out.flush()?;
    let operator = body.operator();
    for line in io::stdin().lock().lines() {
        match obey(&operator, &line?) {
            Ok(Some(answer)) if json => writeln!(out, "{}", json!({ "status": answer }))?,
            Ok(Some(answer)) => writeln!(out, "{answer}")?,
            Ok(None) => return Ok(()),
            Err(message) if json => writeln!(out, "{}", json!({ "error": message }))?,
            Err(message) => writeln!(out, "{message}; commands: {HELP}")?,
        }
        out.flush()?;
    }
    // No more commands, as under a service manager: serve on.
    loop {
        std::thread::park();
    }
}

/// Carries out a line. None when the body is to be switched off.
fn obey(operator: &Operator, line: &str) -> Result<Option<String>, String> {
    let mut words = line.split_whitespace();
    let number = |word: &str, unit| match word.parse::<f64>() {
        Ok(number) if number.abs() <= MOST => Ok(number),
        _ => Err(format!("`{word}` is not a number of {unit}, up to {MOST}")),
    };
    match (words.next(), words.next(), words.next()) {
        (None, ..) => {}
        (Some("scene"), Some(id), None) => operator.set_scene(id),
        (Some("paper"), Some("in"), None) => operator.set_subject(Subject::Reflection),
        (Some("paper"), Some("out"), None) => operator.set_subject(match operator.subject() {
            Subject::Background => Subject::Background,
            _ => Subject::Mixture,
        }),
        (Some("glass"), Some("in"), None) => operator.set_subject(match operator.subject() {
            Subject::Reflection => Subject::Reflection,
            _ => Subject::Mixture,
        }),
        (Some("glass"), Some("out"), None) => operator.set_subject(Subject::Background),
        (Some("zoom"), Some(mm), None) => operator.set_focal_length(number(mm, "millimetres")?),
        (Some("focus"), Some(m), None) => operator.set_focus(number(m, "metres")?),
        (Some("autofocus"), Some(word @ ("on" | "off")), None) => operator.set_autofocus(word == "on"),
        (Some("dial"), Some(word @ ("m" | "p")), None) => operator.set_manual_mode(word == "m"),
        (Some("battery"), Some(percent), None) => {
            operator.set_battery(number(percent, "percent")?.clamp(0.0, 100.0) as u8)
        }
        (Some("clock"), Some(seconds), None) => operator.set_clock_ahead(number(seconds, "seconds ahead")?),
        (Some("press"), None, None) => operator.press_shutter(),
        (Some("unplug"), None, None) => operator.pull_cable(),
        (Some("sleep"), Some(seconds), None) => operator.sleep(number(seconds, "seconds")?),
        (Some("status"), None, None) => {}
        (Some("help"), None, None) => return Ok(Some(HELP.into())),
        (Some("quit"), None, None) => return Ok(None),
        _ => return Err(format!("`{line}` is no command")),
    }
    Ok(Some(operator.status()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_move_the_set() {
        let body = Body::start(Options::default()).unwrap();
        let operator = body.operator();
        let status = |line: &str| obey(&operator, line).unwrap().unwrap();
        assert!(status("scene library").starts_with("scene library, background"));
        assert!(status("glass in").contains("mixture"));
        assert!(status("paper in").contains("reflection"));
        assert!(status("glass in").contains("reflection"), "the paper is still there");
        assert!(status("paper out").contains("mixture"));
        assert!(status("glass out").contains("background"));
        assert!(status("zoom 24").contains("24 mm"));
        assert!(status("zoom 500").contains("55 mm"), "the ring ends");
        assert!(status("focus 1.5").contains("1.50 m"));
        assert!(status("clock -90").starts_with("scene library"));
        assert!(status("help").contains("press"));
        for wrong in ["sleep 1e19", "clock -1e19", "clock nan", "zoom", "zoom wide", "paper", "scene a b", "dance"] {
            assert!(obey(&operator, wrong).is_err(), "{wrong}");
        }
        assert_eq!(obey(&operator, "quit"), Ok(None));
    }
}
