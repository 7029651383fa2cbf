//! The page of `capture live` in a headless Chromium: a person's clicks and keys from the first prompt to the last shot.
#![allow(clippy::unwrap_used, reason = "tests")]

mod live_support;
mod support;

use live_support::{Live, chromium::Chromium};
use support::{Bench, PLAN, SHOTS, ending};

/// Whether a prompt waits.
const READY: &str = "document.getElementById('confirm')?.disabled === false";

/// Whether the picture in a canvas has more than one colour.
fn painted(id: &str) -> String {
    format!(
        "(() => {{ const c = document.getElementById('{id}'); \
         const d = new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer); \
         return new Set(d).size > 20; }})()"
    )
}

/// How many pixels of live view have a colour that an overlay paints.
fn overlaid(colour: [u8; 3]) -> String {
    let [r, g, b] = colour;
    format!(
        "(() => {{ const c = document.getElementById('view'); \
         const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0; \
         for (let i = 0; i < d.length; i += 4) n += d[i] === {r} && d[i + 1] === {g} && d[i + 2] === {b}; return n; }})()"
    )
}

/// Colours of the overlays: sharp edges, and what is clipped.
const PEAKING: [u8; 3] = [90, 255, 60];
const CLIPPING: [u8; 3] = [200, 20, 30];

/// Where to leave pictures of the page for people, if asked for.
fn picture(browser: &mut Chromium, name: &str) {
    if let Some(folder) = std::env::var_os("LIVE_PAGE_PICTURES") {
        browser.picture(&std::path::Path::new(&folder).join(format!("{name}.png")));
    }
}

#[test]
fn a_session_is_clicked_through_from_the_first_prompt_to_the_last_shot() {
    let Some(mut browser) = Chromium::start(1400, 900) else { return };
    let bench = Bench::new(PLAN);
    let live = Live::start(&bench, &[]);
    browser.open(&live.address);

    // The first prompt with live view: frames come, and are measured.
    browser.until(READY);
    assert!(browser.text("words").starts_with("Go to scene hall. Put the glass before the lens and hang the black"));
    assert!(bench.shots().is_empty(), "nothing is shot before the prompt is answered");
    browser.until("Number(document.getElementById('view').dataset.frames) > 5");
    assert_eq!(browser.value(&painted("view")), true);
    assert_eq!(browser.value(&painted("histogram")), true);
    assert!(browser.text("fps").ends_with("fps"));
    picture(&mut browser, "prompt");

    // Peaking marks what is sharp, and the stripes what is clipped, as long as they are on.
    assert_eq!(browser.value(&overlaid(PEAKING)), 0);
    browser.click("#peaking");
    browser.until(&format!("{} > 50", overlaid(PEAKING)));
    browser.click("#peaking");
    browser.until(&format!("{} === 0", overlaid(PEAKING)));

    // Focus steps turn the lens: what was sharp is not.
    let sharp: f64 = browser.text("sharpness").parse().unwrap();
    for _ in 0..3 {
        browser.click("[data-steps=\"-600\"]");
    }
    browser.until(&format!("Number(document.getElementById('sharpness').textContent) < {}", 0.7 * sharp));
    assert_eq!(browser.text("focusnote"), "");
    for selector in ["#peaking", "#magnify"] {
        browser.click(selector);
    }
    picture(&mut browser, "defocused");
    browser.press("m", "m");
    assert_eq!(browser.value("document.getElementById('magnify').getAttribute('aria-pressed')"), "false");
    browser.click("#peaking");

    // Every prompt, with the button and with the keyboard.
    let mut prompts = 0;
    loop {
        browser.until("document.body.dataset.phase === 'ended' || !document.getElementById('confirm').disabled");
        if browser.value("document.body.dataset.phase") == "ended" {
            break;
        }
        prompts += 1;
        let id = browser.value("document.getElementById('confirm').dataset.prompt");
        match prompts % 3 {
            0 => browser.press(" ", " "),
            1 => browser.click("#confirm"),
            _ => browser.press("Enter", "\r"),
        }
        browser.until(&format!(
            "document.getElementById('confirm').disabled || document.getElementById('confirm').dataset.prompt !== {id}"
        ));
        if prompts == 5 {
            browser.until(READY);
            browser.until("document.getElementById('blank').hidden && document.getElementById('last').complete");
            assert!(browser.value("document.getElementById('last').naturalWidth").as_u64() > Some(100));
            assert!(browser.text("lastfigures").starts_with("level 0."));
            picture(&mut browser, "middle");
            browser.resize(390, 844);
            std::thread::sleep(std::time::Duration::from_millis(300));
            picture(&mut browser, "phone");
            let fits = "document.documentElement.scrollWidth <= innerWidth";
            assert_eq!(browser.value(fits), true, "a phone scrolls up and down only");
            browser.resize(1400, 900);
        }
    }
    assert_eq!(prompts, 7, "two scenes: two zooms of reflections each, the background, and in the first the mixture");
    assert_eq!(browser.text("words"), format!("Complete: {SHOTS} of {SHOTS} shots are stored."));
    assert_eq!(browser.text("done"), SHOTS.to_string());
    browser.until("document.getElementById('last').className === ''");
    picture(&mut browser, "complete");
    let (code, message) = ending(&live.end());
    assert_eq!(code, 0, "{message}");
    bench.assert_complete(SHOTS);
    assert_eq!(browser.complaints, Vec::<String>::new());

    // The photographs of the first setup are as blurred as live view showed; those behind the next walk are not.
    let calm = Bench::new(PLAN);
    assert_eq!(calm.run().status.code(), Some(0));
    let ratio = |key: &dyn Fn(&str) -> bool| {
        let sum =
            |b: &Bench| b.shots().iter().filter(|s| key(&s.key)).map(|s| s.quality.unwrap().sharpness).sum::<f64>();
        sum(&bench) / sum(&calm)
    };
    assert!(ratio(&|k| k.starts_with("hall/reflection/24mm_f5.6")) < 0.8);
    assert!((ratio(&|k| k.starts_with("roof")) - 1.0).abs() < 0.05);
}

#[test]
fn stop_ends_with_everything_saved_and_the_page_says_so() {
    let Some(mut browser) = Chromium::start(1400, 900) else { return };
    let bench = Bench::new(PLAN);
    let live = Live::start(&bench, &[]);
    browser.open(&live.address);
    browser.until(READY);
    browser.click("#confirm");
    browser.until("Number(document.getElementById('done').textContent) >= 1");
    browser.click("#stop");
    browser.until("document.body.dataset.phase === 'ended'");
    let words = browser.text("words");
    let (code, message) = ending(&live.end());
    assert_eq!(code, 3, "{message}");
    let stored = bench.shots().len();
    assert!((1..SHOTS).contains(&stored));
    let said = format!(
        "topped with {stored} of {SHOTS} shots stored and nothing lost; run the same command again to continue"
    );
    assert!(words.contains(&said) && message.contains(&said), "{words}; {message}");

    // The same command again, at a new address, goes on behind what is stored.
    let live = Live::start(&bench, &[]);
    browser.open(&live.address);
    browser.until(READY);
    assert_eq!(browser.text("done"), stored.to_string());
    let (_, last) = live.confirm_all();
    assert_eq!(last["done"], SHOTS);
    assert_eq!(ending(&live.end()).0, 0);
    bench.assert_complete(SHOTS);
}

#[test]
fn stripes_show_what_is_clipped_as_long_as_they_are_on() {
    let Some(mut browser) = Chromium::start(1400, 900) else { return };
    // Lamps behind the camera that the glass mirrors: some of it is beyond white in live view.
    let scene = "version: 1\nscenes:\n  - id: hall\n    background: { view: desk, distance_m: 3, luminance: 200000 }\n    \
                 reflection: { view: desk, distance_m: 2, luminance: 200000 }\n";
    let mut bench = Bench::new(PLAN);
    let path = bench.folder.path().join("scene.yaml");
    std::fs::write(&path, scene).unwrap();
    bench.camera = format!("rehearsal:{}", path.display());
    let live = Live::start(&bench, &[]);
    browser.open(&live.address);
    browser.until(READY);
    browser.until(&format!("{} > 50", overlaid(CLIPPING)));
    assert_ne!(browser.text("clipped"), "0.0 %");
    browser.click("#zebra");
    browser.until(&format!("{} === 0", overlaid(CLIPPING)));
    browser.press("c", "c");
    browser.until(&format!("{} > 50", overlaid(CLIPPING)));
}
