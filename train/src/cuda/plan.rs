//! Launches as plain data.
//!
//! What an operation does on a GPU is a function of shapes and pointers that asks a [`Machine`] for scratch memory and
//! gives it launches: `plan.rs` in the operation's folder. It knows nothing of a driver, so that the tests run it on a
//! machine that emulates the kernels (`tests/kernels`) and the device runs it on its stream, to the same end.

use candle_core::{Result, bail};

/// The element type of a kernel's images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Element {
    /// `float`.
    F32,
    /// `double`.
    F64,
    /// The upper half of a `float`; arithmetic is in `float`.
    Bf16,
}

impl Element {
    /// What the names of its kernels end in.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::F32 => "_f32",
            Self::F64 => "_f64",
            Self::Bf16 => "_bf16",
        }
    }

    /// Bytes of a value.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Bf16 => 2,
        }
    }
}

/// An address in the machine's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pointer(pub(crate) u64);

impl Pointer {
    /// Nothing: for a result that nobody asked for.
    pub(crate) const NULL: Self = Self(0);
}

/// An argument of a kernel, as the kernel declares it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Arg {
    /// Any pointer.
    Pointer(Pointer),
    /// `unsigned`.
    U32(u32),
    /// `size_t`.
    U64(u64),
    /// `float`.
    F32(f32),
    /// `double`.
    F64(f64),
    /// A struct of up to 5 `unsigned`; the driver reads as many as the kernel's has.
    Sizes([u32; 5]),
    /// A struct of 9 `float`.
    Nine32([f32; 9]),
    /// A struct of 9 `double`.
    Nine64([f64; 9]),
}

/// One launch.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// The file of the kernel: its stem, or its folder's name where it is called `kernels.cu`.
    pub(crate) module: &'static str,
    /// The kernel's name without its element.
    pub(crate) kernel: &'static str,
    /// The element the name ends in, if it does.
    pub(crate) element: Option<Element>,
    /// Blocks along x, y and z.
    pub(crate) blocks: [u32; 3],
    /// Threads of a block.
    pub(crate) threads: u32,
    /// The kernel's arguments in order.
    pub(crate) args: Vec<Arg>,
}

impl Launch {
    /// The kernel's full name.
    pub(crate) fn name(&self) -> String {
        full_name(self.kernel, self.element)
    }

    /// With one more argument.
    pub(crate) fn with(mut self, arg: Arg) -> Self {
        self.args.push(arg);
        self
    }
}

/// A kernel's name with its element.
pub(crate) fn full_name(kernel: &str, element: Option<Element>) -> String {
    format!("{kernel}{}", element.map_or("", Element::suffix))
}

/// What runs launches, one after the other.
pub(crate) trait Machine {
    /// Memory whose contents are arbitrary, for as long as the machine lives.
    fn scratch(&mut self, bytes: usize) -> Result<Pointer>;
    /// Runs a launch after all earlier ones.
    fn launch(&mut self, launch: Launch) -> Result<()>;
}

/// As the kernels count; fails where a number does not fit.
pub(crate) fn count(what: &str, n: usize) -> Result<u32> {
    match u32::try_from(n) {
        // Kernels step beyond the end before they compare: half of the range is theirs.
        Ok(n) if n <= 1 << 31 => Ok(n),
        _ => bail!("{n} {what} are more than a kernel can count (2^31)"),
    }
}

/// Threads of the kernels of `sums.cu`.
const SUM_THREADS: u32 = 256;

/// `out`, one value of type `element`, becomes `factor` times the sum of `partials` values of `f64`.
pub(crate) fn total(
    on: &mut impl Machine,
    element: Element,
    (partial, partials): (Pointer, u32),
    factor: f64,
    out: Pointer,
) -> Result<()> {
    let args = vec![Arg::Pointer(partial), Arg::Pointer(out), Arg::U32(partials), Arg::F64(factor)];
    let (module, kernel, element) = ("sums", "total", Some(element));
    on.launch(Launch { module, kernel, element, blocks: [1; 3], threads: SUM_THREADS, args })
}
