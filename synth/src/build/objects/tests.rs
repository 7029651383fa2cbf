#![allow(clippy::unwrap_used, reason = "tests")]

use std::{path::Path, sync::Arc};

use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory};

use super::*;

/// A recipe of `count` samples whose sources are computed, read.
fn mixer(folder: &Path, count: u64) -> Mixer {
    for layer in ["behind", "before"] {
        std::fs::create_dir_all(folder.join(layer)).unwrap();
        for n in 0..4u8 {
            let shade = |x: u32, y: u32| image::Rgb([(x * 9) as u8, (y * 7) as u8, n * 60 + layer.len() as u8]);
            image::RgbImage::from_fn(20, 20, shade).save(folder.join(format!("{layer}/{n}.png"))).unwrap();
        }
    }
    let text = format!(
        "version: 1\nname: a\nseed: 3\ncount: {count}\nsizes: [8x8]\nunscaled: true\nsources:\n  backgrounds: [{{folder: behind, \
         licence: CC0-1.0}}]\n  reflections: [{{folder: before, licence: CC0-1.0}}]\nsplits: {{train: 0.5, validation: \
         0.25, test: 0.25}}\n"
    );
    std::fs::write(folder.join("recipe.yaml"), text).unwrap();
    Mixer::open(&folder.join("recipe.yaml")).unwrap()
}

fn place(store: &Arc<InMemory>, prefix: &str) -> Place {
    Place::new(Arc::clone(store) as Arc<dyn ObjectStore>, prefix.into(), &format!("memory:///{prefix}")).unwrap()
}

fn make(mixer: &Mixer, place: &Place, shard: &str, stop: bool) -> Made {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let shard = Shard::parse(shard, |_| None).unwrap();
    build(mixer, place, shard, &pool, &Progress::silent(), &AtomicBool::new(stop)).unwrap()
}

fn objects(place: &Place) -> BTreeMap<String, Vec<u8>> {
    place.list().unwrap().into_keys().map(|name| (name.clone(), place.get(&name).unwrap())).collect()
}

/// Two shards that begin at once with different recipes: the later one finds the other's header.
#[test]
fn the_first_header_stays() {
    let place = place(&Arc::new(InMemory::new()), "race");
    place.put_new(DATASET_FILE, b"first".to_vec()).unwrap();
    place.put_new(DATASET_FILE, b"second".to_vec()).unwrap();
    assert_eq!(place.get(DATASET_FILE).unwrap(), b"first");
}

#[test]
fn shards_and_builds_that_went_on_give_the_same_objects() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(InMemory::new()));
    let mixer = mixer(folder.path(), 2100);
    let [whole, parts, on] = ["whole", "some/parts", "on"].map(|prefix| place(&store, prefix));
    let made = make(&mixer, &whole, "0/1", false);
    assert_eq!((made.range, made.resumed, made.done), (0..2100, 0, 2100));
    let all = objects(&whole);
    assert_eq!(all.len(), 1 + 3 * (1 + 3), "{:?}", all.keys());

    assert_eq!(make(&mixer, &parts, "1/2", false).range, 1000..2100);
    assert_eq!(make(&mixer, &parts, "0/2", false).range, 0..1000);
    assert_eq!(all, objects(&parts));

    // Stopped at once; then a piece whose lines were never written, and one of whose tar files is gone.
    assert_eq!(make(&mixer, &on, "0/1", true).done, 0);
    assert_eq!(objects(&on).len(), 1, "the header alone");
    make(&mixer, &on, "0/1", false);
    let remove = |name: &str| on_runtime(store.delete(&format!("on/{name}").as_str().into()));
    remove("samples-000001.jsonl");
    remove("test-000002.tar");
    on.put("train-000001.tar", b"torn".to_vec()).unwrap();
    let made = make(&mixer, &on, "0/1", false);
    assert_eq!((made.resumed, made.done), (1000, 2100));
    assert_eq!(all, objects(&on));

    // Another recipe is refused and changes nothing.
    let other = tests::mixer(folder.path(), 2101);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let refused = super::build(&other, &on, Shard::WHOLE, &pool, &Progress::silent(), &AtomicBool::new(false));
    let said = refused.err().unwrap().to_string();
    assert!(said.contains("memory:///on") && said.contains("another `count` in its recipe"), "{said}");
    assert_eq!(all, objects(&on));
}

fn on_runtime<T>(work: impl Future<Output = object_store::Result<T>>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work).unwrap()
}

#[test]
fn what_is_fetched_is_the_data_set_and_what_is_damaged_is_told() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(InMemory::new()));
    let mixer = mixer(folder.path(), 1200);
    let there = place(&store, "set");
    let fetch = |out: &str| fetch::into(&there, &folder.path().join(out), &Progress::silent(), &AtomicBool::new(false));
    assert!(fetch("a").unwrap_err().to_string().contains("no data set here"));
    make(&mixer, &there, "0/2", false);
    assert!(fetch("a").unwrap_err().to_string().contains("is not finished"));
    make(&mixer, &there, "0/1", false);
    assert_eq!(fetch("a").unwrap(), 1200);
    let report = crate::verify::verify(&folder.path().join("a"), &Progress::silent()).unwrap();
    assert_eq!((report.samples, report.faulty), (1200, 0), "{:?}", report.faults);

    let mut tar = there.get("train-000001.tar").unwrap();
    // In the first picture, behind its header and PNG's own.
    tar[560] ^= 1;
    there.put("train-000001.tar", tar).unwrap();
    let said = fetch("b").unwrap_err().to_string();
    assert!(said.contains("memory:///set/train-000001.tar: train/") && said.contains("its hash differs"), "{said}");
    there.put("train-000001.tar", ustar::END.to_vec()).unwrap();
    assert!(fetch("b").unwrap_err().to_string().contains("is in none of its tar files"));
    there.put("samples-000001.jsonl", b"{}\n".to_vec()).unwrap();
    assert!(fetch("b").unwrap_err().to_string().contains("memory:///set/samples-000001.jsonl:1:"));
    assert!(!folder.path().join("b").exists(), "nothing is left");
}
