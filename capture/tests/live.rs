//! What the page of `capture live` is served with, request by request, and what a session makes of odd clients.
#![allow(clippy::unwrap_used, reason = "tests")]

mod live_support;
mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
};

use capture::rehearsal::{Body, Options, Pace};
use live_support::{Live, request};
use support::{Bench, PLAN, SHOTS, ending, text};

/// One scene, two prompts, three shots.
const SMALL: &str = "version: 1
name: small
scenes:
  - { id: hall, place: indoor, light: bright }
sweeps:
  - { subject: reflection, shutter: [1/60, 1/15], f_number: [8], focal_length_mm: [24] }
  - { subject: background, shutter: [1/30], f_number: [8], focal_length_mm: [24] }
";

#[test]
fn only_the_printed_address_gets_in() {
    let bench = Bench::new(SMALL);
    let live = Live::start(&bench, &[]);
    let (host, root) = (live.host(), live.root());
    assert!(host.starts_with("127.0.0.1:") && root.len() == 34, "{}", live.address);
    let status = |method: &str, path: &str, headers: &[(&str, &str)]| request(&host, method, path, headers).status;
    let here = ("Host", host.as_str());

    let page = live.ask("GET", "");
    assert_eq!(page.status, 200);
    assert!(page.head.contains("default-src 'self'") && page.head.contains("no-referrer"), "{}", page.head);
    assert!(
        !page.text().contains("http://") && !page.text().contains("https://"),
        "the page needs nothing from elsewhere"
    );
    for file in ["page.css", "page.js", "view.js"] {
        assert_eq!(live.ask("GET", file).status, 200, "{file}");
    }

    // Another name for this address, none, another token, another page.
    let port = host.split(':').nth(1).unwrap();
    assert_eq!(status("GET", &root, &[("Host", &format!("evil.example:{port}"))]), 403);
    assert_eq!(status("GET", &root, &[("Host", "127.0.0.1:1")]), 403);
    assert_eq!(status("GET", &root, &[]), 403);
    assert_eq!(status("GET", &root, &[("Host", &format!("localhost:{port}"))]), 200);
    assert_eq!(status("GET", &format!("/{}/", "0".repeat(32)), &[here]), 403);
    assert_eq!(status("GET", "/", &[here]), 404);
    let stop = format!("{root}stop");
    assert_eq!(status("POST", &format!("/{}/stop", "0".repeat(32)), &[here]), 403);
    assert_eq!(status("POST", &stop, &[here, ("Origin", "http://evil.example")]), 403);
    assert_eq!(status("POST", &stop, &[here, ("Origin", "null")]), 403);

    // Nothing that changes something is asked with GET; what makes no sense is refused.
    assert_eq!(status("GET", &stop, &[here]), 405);
    assert_eq!(live.ask("POST", "state").status, 405);
    assert_eq!(live.ask("GET", "../../etc/passwd").status, 404);
    assert_eq!(live.ask("GET", "last.jpg").status, 404);
    assert_eq!(live.ask("POST", "confirm").status, 400);
    assert_eq!(live.ask("POST", "confirm?prompt=99").status, 409);
    assert_eq!(live.ask("POST", "focus?steps=0").status, 400);
    assert_eq!(live.ask("POST", "focus?steps=-99999").status, 400);
    live.once(|s| s["phase"] == "prompt");
    assert!(bench.shots().is_empty(), "none of this stopped or confirmed anything");

    let (prompts, state) = live.confirm_all();
    assert_eq!((prompts.len(), &state["done"], &state["ended"]["code"]), (2, &3.into(), &0.into()));
    assert_eq!(state["ended"]["summary"]["complete"], true);
    let output = live.end();
    assert_eq!(ending(&output).0, 0, "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 4, "a line a shot and the summary, as `run` prints");
    bench.assert_complete(3);
}

#[test]
fn live_view_comes_at_prompts_and_focus_turns_in_it_only() {
    let bench = Bench::new(SMALL);
    let live = Live::start(&bench, &[]);
    live.once(|s| s["phase"] == "prompt");
    let refused = live.ask("POST", "focus?steps=100");
    assert_eq!((refused.status, refused.text().contains("live view only")), (409, true));
    let mut number = 0;
    for _ in 0..3 {
        let (next, jpeg) = live.frame(number).unwrap();
        let picture = image::load_from_memory_with_format(&jpeg, image::ImageFormat::Jpeg).unwrap();
        assert_eq!((picture.width(), picture.height()), (640, 424));
        assert!(next > number);
        number = next;
    }
    assert_eq!(live.once(|s| s["view"]["open"] == true)["view"]["focus"], serde_json::Value::Null);
    // The ring ends; the page is told in words.
    for _ in 0..4 {
        assert_eq!(live.ask("POST", "focus?steps=-2000").status, 204);
    }
    let state = live.once(|s| s["view"]["focus"].is_string());
    assert_eq!(state["view"]["focus"], "the lens is at the end of its focus travel");
    let prompt = state["prompt"]["id"].as_u64().unwrap();
    // Twice the same click is one answer.
    assert_eq!(live.ask("POST", &format!("confirm?prompt={prompt}")).status, 204);
    assert_eq!(live.ask("POST", &format!("confirm?prompt={prompt}")).status, 409);
    live.once(|s| s["prompt"]["id"].as_u64() == Some(prompt + 1));
    assert_eq!(bench.shots().len(), 2);
    let last = live.ask("GET", "last.jpg");
    assert_eq!(image::load_from_memory(&last.body).unwrap().width(), 480);
    live.confirm_all();
    assert_eq!(ending(&live.end()).0, 0);
    bench.assert_complete(3);
}

#[test]
fn clients_that_vanish_stall_or_never_read_hold_up_nothing() {
    let bench = Bench::new(PLAN);
    let live = Live::start(&bench, &[]);
    live.once(|s| s["phase"] == "prompt");
    let (host, root) = (live.host(), live.root());
    let head = |what: &str| format!("GET {root}{what} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut kept = Vec::new();
    for n in 0..12 {
        let mut stream = TcpStream::connect(&host).unwrap();
        match n % 4 {
            // Half a request, and no more.
            0 => stream.write_all(b"POST /half").unwrap(),
            // Hundreds of frames that nobody reads.
            1 => stream.write_all(head("frame?after=0").repeat(200).as_bytes()).unwrap(),
            // Gone before, and in the middle of, the answer.
            2 => {
                stream.write_all(head("state?after=0").as_bytes()).unwrap();
                continue;
            }
            _ => {
                stream.write_all(head("frame?after=0").as_bytes()).unwrap();
                stream.read_exact(&mut [0; 40]).unwrap();
                continue;
            }
        }
        kept.push(stream);
    }
    let mut garbage = TcpStream::connect(&host).unwrap();
    garbage.write_all(&[0xff; 4096]).unwrap();
    let watchers: Vec<_> = (0..3)
        .map(|_| {
            let (host, path) = (host.clone(), format!("{root}frame?after=0"));
            std::thread::spawn(move || (0..5).for_each(|_| drop(request(&host, "GET", &path, &[("Host", &host)]))))
        })
        .collect();
    let (prompts, state) = live.confirm_all();
    assert_eq!((prompts.len(), &state["done"]), (7, &SHOTS.into()));
    for watcher in watchers {
        watcher.join().unwrap();
    }
    let (code, message) = ending(&live.end());
    assert_eq!(code, 0, "{message}");
    bench.assert_complete(SHOTS);
}

#[test]
fn pause_asks_and_goes_on() {
    let bench = Bench::new(SMALL);
    let live = Live::start(&bench, &[]);
    let first = live.once(|s| s["phase"] == "prompt")["prompt"]["id"].as_u64().unwrap();
    assert_eq!(live.ask("POST", "pause").status, 204);
    assert_eq!(live.ask("POST", &format!("confirm?prompt={first}")).status, 204);
    let (prompts, _) = live.confirm_after(first);
    assert!(prompts.iter().any(|p| p.starts_with("Paused")), "{prompts:?}");
    assert_eq!(ending(&live.end()).0, 0);
    bench.assert_complete(3);
}

/// Three focus steps around where the operator focuses.
const STEPPED: &str = "version: 1
name: stepped
scenes: [{ id: hall, place: indoor, light: bright }]
sweeps: [{ subject: background, shutter: [1/250], f_number: [5.6], focus: [-300, 0, 300] }]
";

/// A session that is paused before its first focus step, with the lens's distance by then.
fn paused(body: &Body, bench: &Bench) -> (Live, u64, f64) {
    let live = Live::start(bench, &[]);
    let first = live.once(|s| s["phase"] == "prompt")["prompt"]["id"].as_u64().unwrap();
    assert_eq!(live.ask("POST", "pause").status, 204);
    assert_eq!(live.ask("POST", &format!("confirm?prompt={first}")).status, 204);
    let prompt = next_prompt(&live, first);
    open_view(&live);
    (live, prompt, body.operator().focus())
}

/// The prompt after another.
fn next_prompt(live: &Live, before: u64) -> u64 {
    let state = live.once(|s| s["prompt"]["id"].as_u64().is_some_and(|id| id > before));
    state["prompt"]["id"].as_u64().unwrap()
}

/// Opens live view: with a frame that is newer than any of an earlier prompt's.
fn open_view(live: &Live) {
    let seen = live.frame(0).map_or(0, |(number, _)| number);
    live.frame(seen).unwrap();
    live.once(|s| s["view"]["open"] == true);
}

/// Turns the focus on the page, and waits until the motor has done so.
fn turn(live: &Live, body: &Body, steps: i32) {
    open_view(live);
    let before = body.operator().focus();
    assert_eq!(live.ask("POST", &format!("focus?steps={steps}")).status, 204);
    live.once(|_| body.operator().focus() != before);
}

#[test]
fn what_the_page_turns_in_a_pause_is_counted_by_a_sweep_of_focus_steps() {
    let body = Body::start(Options { pace: Pace::Fast, picture_size: (300, 200), ..Options::default() }).unwrap();
    let bench = Bench::on(STEPPED, &body);
    let (live, prompt, focused) = paused(&body, &bench);
    turn(&live, &body, 200);
    turn(&live, &body, 100);
    assert!(body.operator().focus() > 1.1 * focused);
    assert_eq!(live.ask("POST", &format!("confirm?prompt={prompt}")).status, 204);
    live.confirm_after(prompt);
    assert_eq!(ending(&live.end()).0, 0);
    bench.assert_complete(3);
    // As the sweep ends, the lens is brought back to where the operator focused.
    let stands = body.operator().focus();
    assert!((stands / focused - 1.0).abs() < 0.01, "{stands} m, not {focused} m");
}

#[test]
fn what_the_page_turned_in_a_pause_is_turned_back_by_a_session_that_stops() {
    let body = Body::start(Options { pace: Pace::Fast, picture_size: (300, 200), ..Options::default() }).unwrap();
    let bench = Bench::on(STEPPED, &body);
    let (live, _, focused) = paused(&body, &bench);
    turn(&live, &body, 300);
    assert_eq!(live.ask("POST", "stop").status, 204);
    assert_eq!(ending(&live.end()).0, 3);
    let stands = body.operator().focus();
    assert!((stands / focused - 1.0).abs() < 0.01, "{stands} m, not {focused} m");
}

#[test]
fn a_lens_that_a_page_turned_to_its_end_is_focused_again() {
    let body = Body::start(Options { pace: Pace::Fast, picture_size: (300, 200), ..Options::default() }).unwrap();
    let bench = Bench::on(STEPPED, &body);
    let (live, prompt, _) = paused(&body, &bench);
    for _ in 0..3 {
        assert_eq!(live.ask("POST", "focus?steps=-2000").status, 204);
    }
    live.once(|s| s["view"]["focus"].is_string());
    assert_eq!(live.ask("POST", &format!("confirm?prompt={prompt}")).status, 204);
    let again = next_prompt(&live, prompt);
    assert!(
        live.state()["prompt"]["text"].as_str().unwrap().contains("Focus on the subject again"),
        "{}",
        live.state()
    );
    turn(&live, &body, 2000);
    let focused = body.operator().focus();
    assert_eq!(live.ask("POST", &format!("confirm?prompt={again}")).status, 204);
    live.confirm_after(again);
    assert_eq!(ending(&live.end()).0, 0);
    bench.assert_complete(3);
    let stands = body.operator().focus();
    assert!((stands / focused - 1.0).abs() < 0.01, "{stands} m, not {focused} m");
}

#[test]
fn what_ends_a_session_is_the_same_sentence_on_the_page() {
    let bench = Bench::with_faults(SMALL, "  - { on: open-session, do: wrong-dial }\n");
    let faults = bench.folder.path().join("faults.yaml");
    let live = Live::start(&bench, &["--faults", faults.to_str().unwrap()]);
    let state = live.once(|s| s["phase"] == "ended");
    let said = state["ended"]["message"].as_str().unwrap().to_owned();
    let (code, message) = ending(&live.end());
    assert_eq!((code, &state["ended"]["code"]), (1, &1.into()));
    assert!(said.contains("turn it to M") && message.contains(&said), "{said}; {message}");
}

#[test]
fn a_full_card_is_a_prompt_on_the_page() {
    let bench = Bench::with_faults(SMALL, "  - { on: capture, do: card-full, nth: 2 }\n");
    let faults = bench.folder.path().join("faults.yaml");
    let live = Live::start(&bench, &["--faults", faults.to_str().unwrap()]);
    let first = live.once(|s| s["phase"] == "prompt")["prompt"]["id"].as_u64().unwrap();
    assert_eq!(live.ask("POST", &format!("confirm?prompt={first}")).status, 204);
    let state = live.once(|s| s["phase"] == "prompt" && s["prompt"]["id"].as_u64() != Some(first));
    assert!(state["prompt"]["text"].as_str().unwrap().contains("put in another card"), "{}", state["prompt"]);
    assert_eq!((&state["done"], bench.shots().len()), (&1.into(), 1), "what was taken before is stored first");
    assert_eq!(live.ask("POST", "stop").status, 204);
    assert_eq!(ending(&live.end()).0, 3);
}

#[test]
fn a_camera_lost_in_live_view_is_told_and_found_again() {
    let faults =
        "  - { on: live-view-image, do: drop-before, nth: 6 }\n  - { on: live-view, do: general-error, nth: 2 }\n";
    let bench = Bench::with_faults(SMALL, faults);
    let faults = bench.folder.path().join("faults.yaml");
    let live = Live::start(&bench, &["--faults", faults.to_str().unwrap()]);
    live.once(|s| s["phase"] == "prompt");
    let mut number = 0;
    let mut look = || live.frame(number).inspect(|(n, _)| number = *n).is_some();
    let troubled = live.once(|s| {
        look();
        s["view"]["trouble"].is_string()
    });
    assert_eq!(troubled["view"]["open"], false);
    live.once(|s| look() && s["view"]["open"] == true);
    live.confirm_all();
    assert_eq!(ending(&live.end()).0, 0);
    bench.assert_complete(3);
}

#[test]
fn a_page_opened_after_the_end_shows_the_end() {
    let bench = Bench::new(SMALL);
    assert_eq!(bench.run().status.code(), Some(0));
    let live = Live::start(&bench, &["--stay"]);
    let state = live.once(|s| s["phase"] == "ended");
    assert_eq!((&state["done"], &state["ended"]["code"]), (&3.into(), &0.into()));
    assert_eq!(live.ask("GET", "").status, 200);
    assert_eq!(live.ask("GET", "frame?after=0").status, 204);
    assert_eq!(live.ask("POST", "confirm?prompt=1").status, 409);
    Command::new("kill").args(["-INT", &live.id().to_string()]).status().unwrap();
    assert_eq!(ending(&live.end()).0, 0);
}

#[test]
fn a_port_that_is_taken_is_one_sentence() {
    let bench = Bench::new(SMALL);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = support::capture();
    command.arg("live").arg(bench.plan()).arg("--session").arg(bench.session());
    let output = command.args(["--camera", "rehearsal", "--port", &port]).output().unwrap();
    let (code, message) = ending(&output);
    assert_eq!((code, message.lines().count()), (1, 1), "{message}");
    assert!(message.contains(&port) && message.contains("--port"), "{message}");
    assert!(!bench.session().exists());
}
