//! The gallery's page in a real browser: its script orders and filters. Skips, saying so, where no Chromium is installed.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{path::Path, process::Command};

use support::{Bench, SMALL, done};

/// The page as the browser has it after its own script and `more`; none where there is no browser.
fn shown(bench: &Bench, more: &str) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let found = std::env::split_paths(&path).flat_map(|p| names.map(|name| p.join(name))).find(|p| p.is_file());
    let Some(browser) = found else {
        println!("SKIPPED: no Chromium is installed, and this test looks at the page in one");
        return None;
    };
    let page = std::fs::read_to_string(bench.path("gallery.html")).unwrap();
    let page = page.replace("</body>", &format!("<script>{more}</script></body>"));
    std::fs::write(bench.path("page.html"), page).unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        .arg(format!("--user-data-dir={}", bench.path("profile").display()))
        .arg("--dump-dom")
        .arg(format!("file://{}", bench.path("page.html").display()))
        .output()
        .unwrap();
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Indices of the samples that are shown, in their order; and what the page says of their number.
fn samples(dom: &str) -> (Vec<u64>, String) {
    let figures = dom.split("<figure ").skip(1).map(|rest| rest.split('>').next().unwrap());
    let index = |tag: &str| tag.split("data-index=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    let said = dom.split("<output id=\"shown\">").nth(1).unwrap().split('<').next().unwrap();
    (figures.filter(|tag| !tag.contains("hidden")).map(index).collect(), said.to_owned())
}

#[test]
fn samples_are_ordered_and_filtered_by_any_number() {
    let bench = Bench::new(40, SMALL);
    done(bench.build("out", &[]));
    done(bench.run(&["gallery", "out", "--out", "gallery.html", "--limit", "24"]));
    let Some(dom) = shown(&bench, "") else { return };
    let (all, said) = samples(&dom);
    assert_eq!((all.len(), said.as_str()), (24, "24 of 24 shown"));
    assert_eq!(dom.matches("<img src=\"data:image/png;base64,").count(), 3 * 24);

    let reader = synth::dataset::open(Path::new(&bench.path("out"))).unwrap();
    let alpha = |index: &u64| reader.samples[*index as usize].drawn.alpha;
    // As a person would: by the name of a number.
    let choose = "
        const pick = (id, text) => { const s = document.getElementById(id);
            s.value = [...s.options].find(o => o.textContent === text).value; };
        pick('order', 'largest alpha first'); pick('number', 'alpha');
        document.getElementById('low').value = 0.85; document.getElementById('high').value = 0.95;
        document.querySelector('form').dispatchEvent(new Event('input'));";
    let (chosen, said) = samples(&shown(&bench, choose).unwrap());
    let mut expected: Vec<u64> = all.iter().copied().filter(|i| (0.85..=0.95).contains(&alpha(i))).collect();
    expected.sort_by(|a, b| alpha(b).total_cmp(&alpha(a)));
    assert!(expected.len() > 3 && expected.len() < 24);
    assert_eq!(chosen, expected);
    assert_eq!(said, format!("{} of 24 shown", expected.len()));

    let validation = "document.getElementById('split').value = 'validation'; show();";
    let (chosen, _) = samples(&shown(&bench, validation).unwrap());
    let split = |index: &u64| reader.samples[*index as usize].split;
    assert!(!chosen.is_empty() && chosen.iter().all(|i| split(i) == manifests::dataset::Split::Validation));
}
