//! How much memory a training step takes on a CPU, how much there is, and which batch would fit.
//!
//! Without this a step that is too large ends in the kernel's killing the program, which says nothing.

use std::path::{Path, PathBuf};

use manifests::{
    Size,
    run::{Model, Run},
};

use crate::{Error, data::Loader, net::layers};

/// Bytes for each trained number: itself, its gradient, Adam's two moments and what the filters' transforms need.
const PER_PARAMETER: f64 = 4.6 * 4.0;
/// Bytes for each number of an image's activations ([`crate::net::Layer::activations`]): itself, what is concatenated, and the
/// gradients that are there at a time.
const PER_ACTIVATION: f64 = 2.2 * 4.0;
/// Bytes for each pixel of an image: its pictures, and what the losses compute of them in `f64`.
///
/// All three are measured (peak of `train bench step`): 1 and 2 images of 96x160 and of 224x288 at full width, 4 and 8 of 224x288 at
/// a quarter, 16 at an eighth, all within a twentieth; 1 of 96x160 at a half takes a tenth more. A test measures again.
const PER_PIXEL: f64 = 470.0;

/// Bytes for each pixel of a picture on the CPU: three channels in `f32`.
const PER_PICTURE: f64 = 3.0 * 4.0;

/// What a step needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    /// Bytes that do not depend on the batch.
    fixed: f64,
    /// Bytes for each image of a batch.
    image: f64,
}

impl Need {
    /// Of a network at its default schedule, for images of one size.
    pub(crate) fn of_model(model: &Model, size: Size) -> Self {
        let table = layers(model);
        let parameters: usize = table.iter().map(|layer| layer.parameters()).sum();
        let (height, width) = (size.height as usize, size.width as usize);
        let activations: u64 = table.iter().map(|layer| layer.activations(height, width)).sum();
        let image = activations as f64 * PER_ACTIVATION + (height * width) as f64 * PER_PIXEL;
        Self { fixed: parameters as f64 * PER_PARAMETER, image }
    }

    /// Of a run, with what waits beside its steps.
    fn of_run(run: &Run, size: Size) -> Self {
        let mut need = Self::of_model(&run.model, size);
        // Averages of the weights, and the sum of several batches' gradients.
        let copies = usize::from(run.schedule.ema.is_some()) + usize::from(run.schedule.accumulate > 1);
        need.fixed += need.fixed / PER_PARAMETER * 4.0 * copies as f64;
        // Batches of three pictures that wait for their step, one of them taken already, and mixtures that statistics are
        // re-estimated over.
        let waiting = 3.0 * (Loader::ready(Loader::threads()) + 1) as f64 + run.schedule.precise_batches as f64;
        need.image += waiting * PER_PICTURE * f64::from(size.height) * f64::from(size.width);
        need
    }

    /// Bytes of a step with a batch.
    pub(crate) fn bytes(&self, batch: usize) -> f64 {
        self.fixed + self.image * batch as f64
    }

    /// The largest batch that takes at most so many bytes.
    fn batch_within(&self, bytes: f64) -> usize {
        ((bytes - self.fixed) / self.image).max(0.0) as usize
    }
}

/// Refuses a run whose largest step, a batch of `samples` of `size`, does not fit into what is available, and says what would.
///
/// # Errors
/// A step that is too large.
pub(crate) fn check(run: &Run, size: Size, samples: usize, file: &Path) -> Result<(), Error> {
    let Some(available) = available() else { return Ok(()) };
    advise(run, size, samples, available as f64).map_err(|sentence| Error::input_at(file, sentence))
}

fn advise(run: &Run, size: Size, samples: usize, available: f64) -> Result<(), String> {
    let need = Need::of_run(run, size);
    if need.bytes(samples) <= available {
        return Ok(());
    }
    let gib = |bytes: f64| bytes / f64::from(1 << 30);
    let advice = match need.batch_within(available) {
        0 => "not even one image would fit: make model.width smaller, or the samples".to_owned(),
        fits => {
            let accumulate = (samples * run.schedule.accumulate).div_ceil(fits);
            format!("schedule.batch: {fits} would fit, and with schedule.accumulate: {accumulate} a step sees as many")
        }
    };
    Err(format!(
        "a batch of {samples} images of {size} takes about {:.1} GiB and {:.1} GiB are available: {advice}",
        gib(need.bytes(samples)),
        gib(available)
    ))
}

/// Bytes that this process may still take: what the system has available, what its control groups leave, and what its limit of
/// address space leaves; none where the system does not say.
pub(crate) fn available() -> Option<u64> {
    let system = meminfo("MemAvailable:");
    [system, within_groups(Path::new("/")), within_limit()].into_iter().flatten().min()
}

/// Bytes of the whole machine.
pub(crate) fn total() -> Option<u64> {
    meminfo("MemTotal:")
}

/// Bytes that this process holds now.
pub(crate) fn in_use() -> Option<u64> {
    kib(Path::new("/proc/self/status"), "VmRSS:")
}

fn meminfo(key: &str) -> Option<u64> {
    kib(Path::new("/proc/meminfo"), key)
}

/// A line of `/proc` such as `VmSize:  1234 kB`, in bytes.
fn kib(file: &Path, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// What `ulimit -v` leaves.
fn within_limit() -> Option<u64> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::As).current?;
    Some(limit.saturating_sub(kib(Path::new("/proc/self/status"), "VmSize:")?))
}

/// What the memory limits of the process's control groups leave, as batch systems and containers set them (version 2, and the
/// version 1 of older ones); caches of files make room. `root` is `/` but in tests.
fn within_groups(root: &Path) -> Option<u64> {
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let below = |folder: &str, path: &str| root.join("sys/fs/cgroup").join(folder).join(path.trim_start_matches('/'));
    let left = groups.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let (group, files) = match controllers {
            "" => (below("", path), ["memory.max", "memory.current", "inactive_file "]),
            "memory" => {
                (below("memory", path), ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "])
            }
            _ => return None,
        };
        // A container often sees its group as the root while the path is the host's: groups that are not there limit nothing.
        let root = root.join("sys/fs/cgroup");
        group.ancestors().take_while(|group| group.starts_with(&root)).filter_map(|group| left_of(group, files)).min()
    });
    left.min()
}

/// What one control group leaves; none where it has no limit.
fn left_of(group: &Path, [limit, usage, cached]: [&str; 3]) -> Option<u64> {
    let read = |file: &str| -> Option<u64> { std::fs::read_to_string(group.join(file)).ok()?.trim().parse().ok() };
    let stat: PathBuf = group.join("memory.stat");
    let stat = std::fs::read_to_string(stat).unwrap_or_default();
    let cached = stat.lines().find_map(|line| line.strip_prefix(cached)?.trim().parse().ok()).unwrap_or(0);
    Some(read(limit)?.saturating_sub(read(usage)?.saturating_sub(cached)))
}

#[cfg(test)]
mod tests {
    use manifests::io::parse_yaml;

    use super::*;

    fn run(schedule: &str) -> Run {
        let text = format!("version: 1\nname: t\nseed: 3\ndata: {{dataset: d}}\nschedule: {{{schedule}}}\n");
        parse_yaml(&text, Path::new("run.yaml")).unwrap()
    }

    const SIZE: Size = Size { height: 224, width: 288 };
    const GIB: f64 = (1u64 << 30) as f64;

    #[test]
    fn the_batch_that_would_fit_fits_and_one_more_does_not() {
        let run = run("batch: 16");
        assert!(advise(&run, SIZE, 16, 64.0 * GIB).is_ok());
        let sentence = advise(&run, SIZE, 16, 8.0 * GIB).unwrap_err();
        assert!(sentence.contains("16 images of 224x288") && sentence.contains("8.0 GiB are available"), "{sentence}");
        let fits: usize = sentence.split("batch: ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(advise(&run, SIZE, fits, 8.0 * GIB).is_ok() && advise(&run, SIZE, fits + 1, 8.0 * GIB).is_err());
        assert!(sentence.contains(&format!("accumulate: {}", 16usize.div_ceil(fits))), "{sentence}");
        let sentence = advise(&run, SIZE, 16, 0.5 * GIB).unwrap_err();
        assert!(sentence.contains("not even one image") && sentence.contains("model.width"), "{sentence}");
    }

    #[test]
    fn averages_and_accumulation_take_a_copy_of_the_weights_each() {
        let bytes = |schedule: &str| Need::of_run(&run(schedule), SIZE).bytes(1);
        let copy = bytes("ema: 0.9") - bytes("");
        // The network of the paper has 71,761,063 trained numbers.
        assert!((copy - 4.0 * 71_761_063.0).abs() < 1.0, "{copy}");
        assert!((bytes("ema: 0.9, accumulate: 2") - bytes("") - 2.0 * copy).abs() < 1.0);
    }

    #[test]
    fn control_groups_of_both_versions_limit_what_is_available() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert_eq!(within_groups(root.path()), None);
        write("proc/self/cgroup", "0::/slurm/job\n");
        write("sys/fs/cgroup/slurm/job/memory.max", "max\n");
        write("sys/fs/cgroup/slurm/job/memory.current", "300\n");
        assert_eq!(within_groups(root.path()), None);
        write("sys/fs/cgroup/slurm/memory.max", "1000\n");
        write("sys/fs/cgroup/slurm/memory.current", "400\n");
        write("sys/fs/cgroup/slurm/memory.stat", "anon 1\ninactive_file 150\n");
        assert_eq!(within_groups(root.path()), Some(750));
        write("proc/self/cgroup", "9:cpu:/\n4:memory:/slurm/job\n0::/\n");
        write("sys/fs/cgroup/memory/slurm/job/memory.limit_in_bytes", "900\n");
        write("sys/fs/cgroup/memory/slurm/job/memory.usage_in_bytes", "200\n");
        assert_eq!(within_groups(root.path()), Some(700));
    }
}
