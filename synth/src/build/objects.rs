//! Into an object store, or a folder that is laid out like one, in pieces of up to 1000 samples:
//!
//! ```text
//! PREFIX/dataset.yaml            the recipe in effect and every source by hash
//! PREFIX/train-000012.tar        WebDataset: the training samples among 12000 to 12999
//! PREFIX/samples-000012.jsonl    the lines of samples 12000 to 12999, written when their tar files are whole
//! ```
//!
//! Objects cannot be appended to, and appear whole or not at all. A piece is in the data set when its lines are; a build
//! that was stopped goes on with the first piece that has none, and makes it anew with the same bytes. All lines, in the
//! order of their objects' names, are the manifest. Shards are made of whole pieces and need no joining.

mod fetch;
mod place;

use std::{collections::BTreeMap, ops::Range, sync::atomic::AtomicBool, sync::atomic::Ordering};

use manifests::{
    RelPath,
    dataset::{DATASET_FILE, Dataset, Sample, Split},
};
use rayon::prelude::*;

pub use fetch::fetch;
pub(super) use place::Place;
use place::Upload;

use super::{Made, Repeats, encoded};
use crate::{
    dataset::{difference, numbered},
    error::Error,
    mixer::Mixer,
    pixels::Spare,
    progress::Progress,
    shard::Shard,
    ustar,
};

/// Samples of a piece.
const PIECE: u64 = 1000;

fn lines_name(piece: u64) -> String {
    format!("samples-{piece:06}.jsonl")
}

fn tar_name(split: Split, piece: u64) -> String {
    format!("{split}-{piece:06}.tar")
}

fn range(piece: u64, samples: u64) -> Range<u64> {
    piece * PIECE..(piece + 1).saturating_mul(PIECE).min(samples)
}

/// Mixes the pieces of a shard that are not there yet.
pub(super) fn build(
    mixer: &Mixer,
    place: &Place,
    shard: Shard,
    pool: &rayon::ThreadPool,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Made, Error> {
    same_or_put(place, mixer.dataset())?;
    let pieces = shard.range(mixer.len().div_ceil(PIECE));
    let all = pieces.start * PIECE..pieces.end.saturating_mul(PIECE).min(mixer.len());
    let there = place.list()?;
    let (mut done, mut resumed, mut repeats) = (all.start, 0, Repeats::default());
    progress.begin("mixing", all.end - all.start);
    for piece in pieces {
        let samples = range(piece, mixer.len());
        if there.contains_key(&lines_name(piece)) {
            let lines = lines(place, piece, mixer.len())?;
            if lines.iter().all(|line| there.get(&tar_name(line.split, piece)).is_some_and(|bytes| *bytes > 0)) {
                lines.iter().for_each(|line| repeats.add(Repeats::of(line)));
                resumed += samples.end - samples.start;
                done = samples.end;
                progress.step(samples.end - samples.start);
                continue;
            }
        }
        let Some(more) = put_piece(mixer, place, piece, pool, progress, stop)? else { break };
        repeats.add(more);
        done = samples.end;
    }
    progress.end();
    Ok(Made { range: all, resumed, done, repeats })
}

/// Mixes a piece and uploads it while it is mixed; None once `stop` is set, and nothing of it is there then.
fn put_piece(
    mixer: &Mixer,
    place: &Place,
    piece: u64,
    pool: &rayon::ThreadPool,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Option<Repeats>, Error> {
    let mut tars = BTreeMap::new();
    match mix_piece(&mut tars, mixer, place, piece, pool, progress, stop) {
        Ok(Some((text, repeats))) => {
            let mut tars = tars.into_values().map(|(upload, _)| upload);
            let finish = |mut upload: Upload<'_>| upload.put(ustar::END.to_vec()).and_then(|()| upload.finish());
            let finished = tars.by_ref().try_for_each(finish);
            tars.for_each(Upload::abort);
            finished?;
            place.put(&lines_name(piece), text)?;
            Ok(Some(repeats))
        }
        ended => {
            // What a store has of an upload that is not finished is seen by nobody, and paid for.
            tars.into_values().for_each(|(upload, _)| upload.abort());
            ended.map(|_| None)
        }
    }
}

/// Mixes a piece into its uploads, by split; gives its lines. None once `stop` is set.
fn mix_piece<'a>(
    tars: &mut BTreeMap<Split, (Upload<'a>, Vec<u8>)>,
    mixer: &Mixer,
    place: &'a Place,
    piece: u64,
    pool: &rayon::ThreadPool,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Option<(Vec<u8>, Repeats)>, Error> {
    let (mut text, mut repeats) = (Vec::new(), Repeats::default());
    let all: Vec<u64> = range(piece, mixer.len()).collect();
    // In groups, so that few pictures are in memory at a time; what was mixed is uploaded in the background.
    for group in all.chunks(4 * pool.current_num_threads()) {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let make = |index: &u64| {
            let (mut png, mut pictures) = (Vec::new(), Vec::new());
            let keep = |path: &RelPath, png: &[u8]| {
                pictures.push((path.clone(), png.to_vec()));
                Ok(())
            };
            let line = encoded(&mixer.sample_in(*index, &mut Spare::default(), stop)?, &mut png, keep)?;
            Ok((line, pictures))
        };
        let made: Vec<_> = match pool.install(|| group.par_iter().map(make).collect::<Result<_, Error>>()) {
            Err(Error::Interrupted) => return Ok(None),
            made => made?,
        };
        for (line, pictures) in made {
            let (upload, block) = match tars.entry(line.split) {
                std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => {
                    new.insert((place.upload(&tar_name(line.split, piece))?, Vec::new()))
                }
            };
            pack(&line, &pictures, block).map_err(|e| Error::Damaged(format!("sample {}: {e}", line.index)))?;
            upload.put(std::mem::take(block))?;
            serde_json::to_writer(&mut text, &line)
                .map_err(|e| Error::Damaged(format!("sample {}: {e}", line.index)))?;
            text.push(b'\n');
            repeats.add(Repeats::of(&line));
            progress.step(1);
        }
    }
    Ok(Some((text, repeats)))
}

/// A sample's files in a tar: its pictures, and its line as `.json`.
fn pack(line: &Sample, pictures: &[(RelPath, Vec<u8>)], tar: &mut Vec<u8>) -> std::io::Result<()> {
    for (path, bytes) in pictures {
        let name = path.as_str().rsplit('/').next().unwrap_or_default();
        ustar::append(tar, name, bytes)?;
    }
    ustar::append(tar, &format!("{:06}.json", line.index), &serde_json::to_vec(line)?)
}

/// The lines of a piece of a data set of `samples`.
fn lines(place: &Place, piece: u64, samples: u64) -> Result<Vec<Sample>, Error> {
    let (name, range) = (lines_name(piece), range(piece, samples));
    let text = place.get(&name)?;
    let path = std::path::PathBuf::from(place.name(&name));
    let lines: Vec<Sample> = text
        .split_inclusive(|b| *b == b'\n')
        .zip(range.clone())
        .enumerate()
        .map(|(i, (line, index))| numbered(line.strip_suffix(b"\n").unwrap_or(line), &path, index, i + 1))
        .collect::<Result<_, _>>()?;
    if lines.len() as u64 != range.end - range.start {
        let asked = range.end - range.start;
        let message = format!("{}: holds {} of {asked} lines; remove it and build again", path.display(), lines.len());
        return Err(Error::Damaged(message));
    }
    Ok(lines)
}

/// The header that is there.
fn header(place: &Place) -> Result<Dataset, Error> {
    let text = String::from_utf8_lossy(&place.get(DATASET_FILE)?).into_owned();
    Ok(manifests::io::parse_yaml(&text, place.name(DATASET_FILE).as_ref())?)
}

/// Puts the header in a new place; in one that has a header, refuses to go on with anything else.
fn same_or_put(place: &Place, dataset: &Dataset) -> Result<(), Error> {
    if !place.list()?.contains_key(DATASET_FILE) {
        let text = manifests::io::to_yaml(place.name(DATASET_FILE).as_ref(), dataset)?;
        place.put_new(DATASET_FILE, text.into_bytes())?;
    }
    // What is there may be another shard's, which began at the same time.
    match difference(&header(place)?, dataset) {
        Some(difference) => Err(Error::OtherDataset { dir: place.name("").into(), difference }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
