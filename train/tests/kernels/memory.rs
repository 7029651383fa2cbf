//! Arrays in the emulated machine's memory, and comparisons.

use candle_core::{DType, Device, Tensor, Var};
use half::bf16;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::machine::Emulator;
use crate::plan::{Element, Pointer};

pub(crate) const ELEMENTS: [Element; 3] = [Element::F32, Element::F64, Element::Bf16];

/// What lies before and behind every array, NaN in every type.
const GUARD: usize = 2;

/// An array of one element type.
pub(crate) struct Array {
    element: Element,
    /// Begins at a multiple of 16 bytes; the array begins `offset` bytes later, or `GUARD` lines and `offset`.
    memory: Vec<u128>,
    start: usize,
    len: usize,
}

impl Array {
    /// `len` values of NaN, `skip` values beyond an address of 16 bytes.
    pub(crate) fn poisoned(element: Element, len: usize, skip: usize) -> Self {
        let (start, size) = (16 * GUARD + skip * element.size(), len * element.size());
        let memory = vec![u128::MAX; (start + size).div_ceil(16) + GUARD];
        Self { element, memory, start, len }
    }

    /// The values rounded to the type.
    pub(crate) fn of(element: Element, values: &[f64], skip: usize) -> Self {
        let mut array = Self::poisoned(element, values.len(), skip);
        let (size, start) = (element.size(), array.start);
        for (i, v) in values.iter().enumerate() {
            let to = &mut array.bytes_mut()[start + i * size..][..size];
            match element {
                Element::F32 => to.copy_from_slice(&(*v as f32).to_ne_bytes()),
                Element::F64 => to.copy_from_slice(&v.to_ne_bytes()),
                Element::Bf16 => to.copy_from_slice(&bf16::from_f64(*v).to_ne_bytes()),
            }
        }
        array
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: any bytes are u8.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().cast(), 16 * self.memory.len()) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: any bytes are u8.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_mut_ptr().cast(), 16 * self.memory.len()) }
    }

    /// Where it lies; kernels write through it.
    pub(crate) fn at(&self) -> Pointer {
        Pointer(self.memory.as_ptr() as u64 + self.start as u64)
    }

    /// All values; fails where something was written beside them.
    pub(crate) fn values(&self) -> Vec<f64> {
        let (size, bytes) = (self.element.size(), std::hint::black_box(self.bytes()));
        let end = self.start + self.len * size;
        assert!(
            bytes[..self.start].iter().chain(&bytes[end..]).all(|b| *b == 0xff),
            "a kernel wrote beside its result"
        );
        let value = |b: &[u8]| match self.element {
            Element::F32 => f32::from_ne_bytes(b.try_into().unwrap()).into(),
            Element::F64 => f64::from_ne_bytes(b.try_into().unwrap()),
            Element::Bf16 => bf16::from_ne_bytes(b.try_into().unwrap()).to_f64(),
        };
        bytes[self.start..end].chunks_exact(size).map(value).collect()
    }
}

/// What launches give in both orders of threads and blocks, which must be the same bits.
pub(crate) fn in_both_orders(run: impl Fn(&mut Emulator) -> Vec<Array>) -> Vec<Vec<f64>> {
    let [rising, falling] = [false, true].map(|falling| {
        let results = run(&mut Emulator::new(falling));
        results.iter().map(Array::values).collect::<Vec<_>>()
    });
    let bits = |all: &[Vec<f64>]| all.iter().flatten().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert!(bits(&rising) == bits(&falling), "a result depends on the order of threads or blocks");
    rising
}

/// Values in [-1, 1) that are exact in the type.
pub(crate) fn random(element: Element, seed: u64, count: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| round(element, (rng.next_u32() as f64 / 2f64.powi(31)) - 1.0)).collect()
}

/// The nearest value of the type.
pub(crate) fn round(element: Element, v: f64) -> f64 {
    match element {
        Element::F32 => (v as f32).into(),
        Element::F64 => v,
        Element::Bf16 => bf16::from_f64(v).to_f64(),
    }
}

/// `matrices` matrices of `rows` x `columns`, transposed: images N x C x (H W) to N x (H W) x C, or back.
pub(crate) fn transposed(values: &[f64], (matrices, rows, columns): (usize, usize, usize)) -> Vec<f64> {
    assert_eq!(values.len(), matrices * rows * columns);
    let of = |m: usize| (0..columns).flat_map(move |c| (0..rows).map(move |r| values[(m * rows + r) * columns + c]));
    (0..matrices).flat_map(of).collect()
}

/// What the CPU's operation computes in: bf16 is held as f32.
pub(crate) fn dtype(element: Element) -> DType {
    if element == Element::F64 { DType::F64 } else { DType::F32 }
}

pub(crate) fn var(values: &[f64], shape: &[usize], dtype: DType) -> Var {
    Var::from_tensor(&tensor(values, shape, dtype)).unwrap()
}

pub(crate) fn tensor(values: &[f64], shape: &[usize], dtype: DType) -> Tensor {
    Tensor::from_slice(values, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
}

pub(crate) fn values(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest difference over the largest finite magnitude of what is expected; NaN and infinities must agree.
pub(crate) fn error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().filter(|v| v.is_finite()).fold(1e-300, |m: f64, v| m.max(v.abs()));
    let off = |(a, b): (&f64, &f64)| {
        if a == b || (a.is_nan() && b.is_nan()) { 0.0 } else { (a - b).abs() / scale }
    };
    found.iter().zip(expected).map(off).fold(0.0, |m, v| if v <= m { m } else { v })
}

/// Fails where the error is not below the bound, and prints it.
pub(crate) fn close(what: &str, found: &[f64], expected: &[f64], bound: f64) {
    let off = error(found, expected);
    println!("{what}: {off:.1e}");
    assert!(off < bound, "{what} is off by {off:e}, more than {bound:e}");
}
