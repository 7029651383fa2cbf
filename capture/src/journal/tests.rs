use manifests::{
    Digest, FNumber, FocalLength,
    plan::{Light, Place, Subject},
    session::ShotFile,
};

use super::*;

fn settings() -> Settings {
    Settings {
        shutter: "1/60".parse().unwrap(),
        f_number: FNumber::new(8.0).unwrap(),
        iso: 100,
        focal_length_mm: Some(FocalLength::new(35.0).unwrap()),
        focus: None,
    }
}

fn card(numbers: &[u32]) -> Vec<CardFile> {
    let file =
        |n: &u32| CardFile { folder: "/DCIM".into(), name: format!("DSC_{n:04}.JPG"), bytes: 1000 + u64::from(*n) };
    numbers.iter().map(file).collect()
}

fn shot(key: &str, file: &CardFile) -> Shot {
    Shot {
        index: 0,
        key: key.into(),
        scene: "hall".parse().unwrap(),
        place: Place::Indoor,
        light: Light::Bright,
        tags: vec![],
        subject: Subject::Reflection,
        glass: None,
        requested: settings(),
        read_back: settings(),
        exif: None,
        disagreements: vec![],
        files: vec![ShotFile {
            path: format!("shots/{key}.jpg").parse().unwrap(),
            camera_name: file.path(),
            bytes: file.bytes,
            blake3: Digest::of(key.as_bytes()),
            width: 6,
            height: 4,
        }],
        quality: None,
        stored: "2026-01-01T00:00:00Z".into(),
    }
}

#[test]
fn a_shot_begun_and_not_recorded_is_in_doubt_and_its_file_is_fresh() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).unwrap();
    journal.card(&card(&[1, 2])).unwrap();
    journal.intend("a", settings(), Some(7200)).unwrap();
    journal.record(&shot("a", &card(&[3])[0])).unwrap();
    assert!(!journal.doubts());
    journal.intend("b", settings(), Some(7200)).unwrap();
    drop(journal);

    let journal = Journal::open(folder.path()).unwrap();
    assert!(journal.doubt("b").is_some() && journal.doubt("a").is_none());
    assert!(journal.is_done("a") && !journal.is_done("b"));
    // 1 and 2 were there before, 3 is recorded; 4 came since.
    assert_eq!(journal.fresh(&card(&[1, 2, 3, 4])), [card(&[4])]);
}

#[test]
fn what_the_clock_was_off_by_is_known_to_the_next_run_and_unknown_to_earlier_journals() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).unwrap();
    journal.intend("a", settings(), Some(-7200)).unwrap();
    journal.try_out(settings(), None).unwrap();
    drop(journal);
    let journal = Journal::open(folder.path()).unwrap();
    assert_eq!(journal.doubt("a").unwrap().dates_ahead, Some(-7200));
    assert!(journal.trial().unwrap().at.is_some());
    drop(journal);
    let read_back = serde_json::to_string(&settings()).unwrap();
    let earlier = format!(
        "{{\"shoot\":{{\"key\":\"a\",\"at\":1700000000,\"read_back\":{read_back}}}}}\n{{\"trial\":{{\"settings\":{read_back}}}}}\n"
    );
    std::fs::write(folder.path().join(INTENTS_FILE), earlier).unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let intent = journal.doubt("a").unwrap();
    assert_eq!((intent.at, intent.dates_ahead), (1_700_000_000, None));
    assert_eq!(journal.trial(), Some(Trial { settings: settings(), at: None, dates_ahead: None }));
}

#[test]
fn a_look_at_the_card_ends_the_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).unwrap();
    journal.intend("a", settings(), Some(7200)).unwrap();
    journal.card(&card(&[7])).unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    assert!(!journal.doubts());
    assert!(journal.fresh(&card(&[7])).is_empty());
}

#[test]
fn the_files_of_one_release_stay_together() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let mut files = card(&[2, 1]);
    files.push(CardFile { folder: "/DCIM".into(), name: "DSC_0002.NEF".into(), bytes: 9 });
    let names: Vec<Vec<String>> =
        journal.fresh(&files).iter().map(|g| g.iter().map(|f| f.name.clone()).collect()).collect();
    assert_eq!(names, [vec!["DSC_0001.JPG".to_owned()], vec!["DSC_0002.JPG".into(), "DSC_0002.NEF".into()]]);
}

#[test]
fn shots_whose_lines_were_lost_are_all_in_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).unwrap();
    journal.card(&card(&[])).unwrap();
    for (n, key) in [(1, "a"), (2, "b"), (3, "c")] {
        journal.intend(key, settings(), Some(7200)).unwrap();
        journal.record(&shot(key, &card(&[n])[0])).unwrap();
    }
    drop(journal);
    let path = folder.path().join(SHOTS_FILE);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.lines().take(1).map(|l| format!("{l}\n")).collect::<String>()).unwrap();
    let mut journal = Journal::open(folder.path()).unwrap();
    assert!(journal.doubt("b").is_some() && journal.doubt("c").is_some() && journal.doubt("a").is_none());
    assert_eq!(journal.fresh(&card(&[1, 2, 3])), [card(&[2]), card(&[3])]);
    journal.record(&shot("b", &card(&[2])[0])).unwrap();
    assert!(journal.doubt("b").is_none() && journal.doubts());
}

#[test]
fn what_is_damaged_is_not_looked_at_again_and_ends_no_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).unwrap();
    journal.card(&card(&[])).unwrap();
    journal.intend("a", settings(), Some(7200)).unwrap();
    journal.ignore(&card(&[1])).unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    assert!(journal.doubt("a").is_some());
    assert_eq!(journal.fresh(&card(&[1, 2])), [card(&[2])]);
}

#[test]
fn a_file_whose_length_is_not_told_is_the_one_that_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).unwrap();
    let untold = |n| card(&[n]).into_iter().map(|f| CardFile { bytes: 0, ..f }).collect::<Vec<_>>();
    journal.card(&[card(&[1]), untold(2)].concat()).unwrap();
    assert!(journal.fresh(&untold(1)).is_empty() && journal.fresh(&card(&[2])).is_empty());
    assert_eq!(journal.fresh(&untold(3)), [untold(3)]);
    // Another length is another file: the card may have been formatted.
    let longer = card(&[1]).into_iter().map(|f| CardFile { bytes: 9, ..f }).collect::<Vec<_>>();
    assert_eq!(journal.fresh(&longer), [longer]);
}

#[test]
fn an_unplanned_photograph_is_known_and_is_no_shot() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).unwrap();
    journal.card(&card(&[])).unwrap();
    let files = shot("x", &card(&[5])[0]).files;
    let photograph = Unplanned {
        key: "unplanned/DSC_0005".into(),
        scene: None,
        subject: None,
        after: None,
        exif: None,
        files,
        quality: None,
        stored: "2026-01-01T00:00:00Z".into(),
    };
    journal.record_unplanned(&photograph).unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    assert_eq!(journal.done(), 0);
    assert_eq!(journal.fresh(&card(&[5, 6])), [card(&[6])]);
}

#[test]
fn every_prefix_of_a_journal_is_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).unwrap();
    journal.card(&card(&[1])).unwrap();
    for (n, key) in [(2, "a"), (3, "b")] {
        journal.intend(key, settings(), Some(7200)).unwrap();
        journal.record(&shot(key, &card(&[n])[0])).unwrap();
    }
    drop(journal);
    for name in [SHOTS_FILE, INTENTS_FILE] {
        let whole = std::fs::read(folder.path().join(name)).unwrap();
        for cut in 0..=whole.len() {
            let torn = tempfile::tempdir().unwrap();
            for file in [SHOTS_FILE, INTENTS_FILE] {
                std::fs::copy(folder.path().join(file), torn.path().join(file)).unwrap();
            }
            std::fs::write(torn.path().join(name), &whole[..cut]).unwrap();
            let mut journal = Journal::open(torn.path()).unwrap();
            let before = journal.done();
            journal.record(&shot("later", &card(&[9])[0])).unwrap();
            // What was written behind the tear is read again, and the whole lines before it are still there.
            let again = Journal::open(torn.path()).unwrap();
            assert_eq!(again.done(), before + 1, "{name} cut at {cut}");
            let lines = whole[..cut].iter().filter(|b| **b == b'\n').count();
            assert!(name == INTENTS_FILE || before == lines, "{name} cut at {cut}");
        }
    }
}

/// Two shots under way when the program dies: both are in doubt, and their files are told apart again.
#[test]
fn a_claimed_shot_is_nobody_elses_until_the_program_dies() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).unwrap();
    journal.card(&[]).unwrap();
    journal.intend("a", settings(), Some(7200)).unwrap();
    journal.claim("a", &card(&[1]));
    assert!(!journal.doubts() && journal.fresh(&card(&[1])).is_empty());
    journal.intend("b", settings(), Some(7200)).unwrap();
    assert!(journal.doubts());
    assert_eq!(journal.fresh(&card(&[1, 2])), [card(&[2])]);
    drop(journal);
    let mut journal = Journal::open(folder.path()).unwrap();
    assert!(journal.doubt("a").is_some() && journal.doubt("b").is_some());
    assert_eq!(journal.fresh(&card(&[1, 2])), [card(&[1]), card(&[2])]);
    // Found to be another's after all: the shot is looked for again.
    journal.claim("a", &card(&[1]));
    journal.claim("b", &card(&[2]));
    assert!(!journal.doubts());
    journal.unclaim("a");
    assert!(journal.doubts() && journal.doubt("a").is_some());
}
