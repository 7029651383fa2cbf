//! What one convolution is to cuDNN: extents, and the key under which its algorithm is kept. Plain arithmetic, so that it is
//! tested without a GPU.

use crate::ops::Format;

/// A convolution of images (`n` x `c` x `h` x `w`) by filters (`out` x `c` x `kh` x `kw`), all in one order in memory. A transposed
/// one is the gradient of such a convolution in its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Extents {
    pub(crate) format: Format,
    pub(crate) n: usize,
    pub(crate) c: usize,
    pub(crate) h: usize,
    pub(crate) w: usize,
    pub(crate) out: usize,
    pub(crate) kh: usize,
    pub(crate) kw: usize,
    pub(crate) padding: usize,
    pub(crate) stride: usize,
}

impl Extents {
    pub(crate) fn image(&self) -> [usize; 4] {
        [self.n, self.c, self.h, self.w]
    }

    pub(crate) fn filters(&self) -> [usize; 4] {
        [self.out, self.c, self.kh, self.kw]
    }

    pub(crate) fn result(&self) -> [usize; 4] {
        let side = |side: usize, filter: usize| (side + 2 * self.padding - filter) / self.stride + 1;
        [self.n, self.out, side(self.h, self.kh), side(self.w, self.kw)]
    }

    /// What a pass writes, in its order in memory.
    pub(crate) fn written(&self, pass: Pass) -> [usize; 4] {
        self.format.dims(match pass {
            Pass::Forward => self.result(),
            Pass::Image => self.image(),
            Pass::Filters => self.filters(),
        })
    }

    /// Image, filters and result as cuDNN takes them; none where one has 2^31 values or more, which it does not take.
    pub(crate) fn descriptors(&self) -> Option<[[i32; 4]; 3]> {
        let narrow = |dims: [usize; 4]| -> Option<[i32; 4]> {
            i32::try_from(dims.iter().try_fold(1usize, |product, d| product.checked_mul(*d))?).ok()?;
            let mut narrow = [0; 4];
            for (to, from) in narrow.iter_mut().zip(dims) {
                *to = i32::try_from(from).ok()?;
            }
            Some(narrow)
        };
        Some([narrow(self.image())?, narrow(self.filters())?, narrow(self.result())?])
    }
}

/// Which of the three tensors is computed from the other two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pass {
    /// The result, from image and filters.
    Forward,
    /// The gradient of the image, from filters and the result's gradient.
    Image,
    /// The gradient of the filters, from image and the result's gradient.
    Filters,
}

/// Element types and arithmetic of a convolution. Sums are `f32`, in [`Math::F64`] `f64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Math {
    F64,
    F32,
    /// `f32`, of which the factors are rounded to 11 significant bits.
    Tf32,
    Bf16,
}

/// What an algorithm is kept for: the fastest one depends on nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) pass: Pass,
    pub(crate) extents: Extents,
    pub(crate) math: Math,
}

/// One of the algorithms that cuDNN measured: its number, milliseconds and bytes of workspace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measured {
    pub(crate) algorithm: u32,
    /// The mathematics that it was measured with, cuDNN's number: the same algorithm may be there with and without tensor
    /// cores, each with a workspace of its own.
    pub(crate) math: u32,
    pub(crate) works: bool,
    /// Whether the same arguments give the same bits: others add in whatever order their blocks end.
    pub(crate) repeats: bool,
    pub(crate) milliseconds: f32,
    pub(crate) workspace: usize,
}

/// The algorithms that work within `most` bytes, the fastest first; equal ones in cuDNN's order.
///
/// What images come from, in training and in evaluation, repeats its bits wherever cuDNN can: a network that is applied twice
/// to a photograph answers once. Gradients of filters are taken by whatever is fastest, as PyTorch does.
pub(crate) fn ranked(pass: Pass, measured: &[Measured], most: usize) -> Vec<Measured> {
    let fits = |m: &&Measured| m.works && m.workspace <= most && m.milliseconds >= 0.0;
    let mut all: Vec<Measured> = measured.iter().filter(fits).copied().collect();
    all.sort_by(|a, b| {
        let loose = |m: &Measured| pass != Pass::Filters && !m.repeats;
        loose(a).cmp(&loose(b)).then(a.milliseconds.total_cmp(&b.milliseconds))
    });
    all
}

/// Whether a status of cuDNN says that an algorithm does not do what it was asked, so that another may: 2000 and above for
/// parameters that it does not take (among them a workspace too small for an algorithm's variant), 3000 and above for what it
/// does not support, 4000 and above for what failed within it (among them a kernel that cannot be compiled, or memory that is
/// not there). Since cuDNN 9 the digits after the first name the reason. Kernels that fail while they run are 5000.
pub(crate) fn is_refusal(status: u32) -> bool {
    (2000..5000).contains(&status)
}

/// Whether a refusal may be gone the next time, as a lack of memory.
pub(crate) fn is_passing(refusal: u32) -> bool {
    refusal >= 4000
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Extents =
        Extents { format: Format::ChannelsFirst, n: 2, c: 3, h: 5, w: 7, out: 4, kh: 3, kw: 1, padding: 1, stride: 1 };

    #[test]
    fn results_have_the_extents_of_the_operations() {
        assert_eq!(PLAIN.result(), [2, 4, 5, 9]);
        // A transposed convolution of 6 x 10 to 12 x 20 is the gradient of this one.
        let halving = Extents { n: 1, c: 8, h: 12, w: 20, out: 16, kh: 4, kw: 4, padding: 1, stride: 2, ..PLAIN };
        assert_eq!(halving.result(), [1, 16, 6, 10]);
        assert_eq!(halving.written(Pass::Image), [1, 8, 12, 20]);
        assert_eq!(halving.written(Pass::Filters), [16, 8, 4, 4]);
        assert_eq!(halving.descriptors(), Some([[1, 8, 12, 20], [16, 8, 4, 4], [1, 16, 6, 10]]));
    }

    /// cuDNN is told N, C, H, W whatever the order.
    #[test]
    fn channels_last_change_what_is_written_and_no_descriptor() {
        let last = Extents { format: Format::ChannelsLast, ..PLAIN };
        assert_eq!(last.descriptors(), PLAIN.descriptors());
        assert_eq!(last.written(Pass::Forward), [2, 5, 9, 4]);
        assert_eq!(last.written(Pass::Image), [2, 5, 7, 3]);
        assert_eq!(last.written(Pass::Filters), [4, 3, 1, 3]);
    }

    #[test]
    fn what_cudnn_cannot_count_is_none() {
        let large = Extents { n: 1 << 12, c: 1 << 10, h: 1 << 5, w: 1 << 4, kh: 1, padding: 0, ..PLAIN };
        assert_eq!(large.descriptors(), None);
        assert!(Extents { n: (1 << 12) - 1, ..large }.descriptors().is_some());
        assert_eq!(Extents { n: usize::MAX, ..large }.descriptors(), None);
    }

    #[test]
    fn keys_differ_in_everything_that_matters() {
        let key = Key { pass: Pass::Forward, extents: PLAIN, math: Math::F32 };
        let others = [
            Key { pass: Pass::Image, ..key },
            Key { math: Math::F64, ..key },
            Key { math: Math::Tf32, ..key },
            Key { math: Math::Bf16, ..key },
            Key { extents: Extents { padding: 0, ..PLAIN }, ..key },
            Key { extents: Extents { n: 3, ..PLAIN }, ..key },
            Key { extents: Extents { format: Format::ChannelsLast, ..PLAIN }, ..key },
        ];
        assert!(others.iter().all(|other| *other != key));
    }

    #[test]
    fn the_fastest_that_fits_comes_first() {
        let of = |algorithm, milliseconds, workspace| Measured {
            algorithm,
            math: 0,
            works: true,
            repeats: true,
            milliseconds,
            workspace,
        };
        let broken = Measured { works: false, ..of(9, 0.1, 0) };
        let all = [broken, of(1, 3.0, 10), of(2, 1.0, 1000), of(3, 2.0, 100), of(4, 2.0, 100), of(5, -1.0, 0)];
        let in_order = |pass, all: &[Measured], most| -> Vec<u32> {
            ranked(pass, all, most).iter().map(|m| m.algorithm).collect()
        };
        assert_eq!(in_order(Pass::Forward, &all, 999), [3, 4, 1]);
        assert_eq!(in_order(Pass::Forward, &all, 1000), [2, 3, 4, 1]);
        assert!(in_order(Pass::Forward, &all[..1], 1000).is_empty());
        // One that does not repeat its bits comes last for images, whatever it takes.
        let loose = Measured { repeats: false, ..of(7, 0.5, 0) };
        let all = [loose, of(1, 3.0, 10)];
        assert_eq!([Pass::Forward, Pass::Image].map(|pass| in_order(pass, &all, 99)), [[1, 7]; 2]);
        assert_eq!(in_order(Pass::Filters, &all, 99), [7, 1]);
    }

    #[test]
    fn refusals_have_many_numbers() {
        assert!([2000, 2003, 3000, 3001, 3013, 4001, 4004].into_iter().all(is_refusal));
        assert!(![0, 1001, 5000].into_iter().any(is_refusal));
        assert!(is_passing(4004) && ![0, 2003, 3000].into_iter().any(is_passing));
    }
}
