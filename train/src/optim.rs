//! Adam and AdamW, with moments that can be saved and loaded.

mod average;
mod backup;
mod clip;
#[cfg(feature = "cuda")]
mod cuda;
mod pairs;
#[cfg(feature = "cuda")]
mod plan;
mod rule;

use std::cell::RefCell;
use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, InplaceOp1, Layout, Result, Tensor, Var, WithDType, bail};
use rayon::prelude::*;

pub use average::Average;
pub use backup::Backup;

/// Prefix of the first moments' names in [`Adam::state`], as PyTorch calls them.
const FIRST: &str = "exp_avg.";
/// Prefix of the second moments' names.
const SECOND: &str = "exp_avg_sq.";
/// Values of one task.
const CHUNK: usize = 1 << 15;

/// Settings of [`Adam`]; the default is PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamConfig {
    /// Learning rate, above 0.
    pub lr: f64,
    /// Decay of the mean of gradients, in [0, 1).
    pub beta1: f64,
    /// Decay of the mean of squared gradients, in [0, 1).
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Weight decay, 0 for none.
    pub weight_decay: f64,
    /// Whether the decay shrinks the weights directly (AdamW) instead of adding to the gradient (Adam).
    pub decoupled: bool,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, decoupled: false }
    }
}

/// One variable with its moments.
struct Slot {
    name: String,
    var: Var,
    first: Tensor,
    second: Tensor,
}

/// Adam (Kingma and Ba 2015, algorithm 1) and AdamW (Loshchilov and Hutter 2019, algorithm 2), as PyTorch writes them.
///
/// Variables and moments are updated in place, in one pass over each.
pub struct Adam {
    slots: Vec<Slot>,
    config: AdamConfig,
    steps: u64,
    /// Where the variables are on a GPU; made by the first step, and anew when a state is taken up.
    #[cfg(feature = "cuda")]
    on_device: Option<cuda::OnDevice>,
}

impl Adam {
    /// An optimiser of named variables, moments 0. Fails where a setting is out of range, a name is given twice or a
    /// variable is neither `f32` nor `f64`.
    pub fn new(vars: Vec<(String, Var)>, config: AdamConfig) -> Result<Self> {
        let AdamConfig { lr, beta1, beta2, eps, weight_decay, .. } = config;
        for (name, beta) in [("beta1", beta1), ("beta2", beta2)] {
            if !(0.0..1.0).contains(&beta) {
                bail!("Adam: {name} must be in [0, 1), not {beta}");
            }
        }
        for (name, value) in [("the learning rate", lr), ("eps", eps), ("the weight decay", weight_decay)] {
            if !(value >= 0.0 && value.is_finite()) {
                bail!("Adam: {name} must be 0 or more, not {value}");
            }
        }
        let mut slots: Vec<Slot> = Vec::with_capacity(vars.len());
        let mut seen = std::collections::BTreeSet::new();
        for (name, var) in vars {
            if !seen.insert(name.clone()) {
                bail!("Adam: two variables are called {name}");
            }
            if !matches!(var.dtype(), DType::F32 | DType::F64) || !var.is_contiguous() {
                bail!("Adam: the variable {name} must be f32 or f64 and contiguous, it is {:?}", var.dtype());
            }
            let (first, second) = (var.as_tensor().zeros_like()?, var.as_tensor().zeros_like()?);
            slots.push(Slot { name, var, first, second });
        }
        Ok(Self {
            slots,
            config,
            steps: 0,
            #[cfg(feature = "cuda")]
            on_device: None,
        })
    }

    /// Settings in force.
    pub fn config(&self) -> AdamConfig {
        self.config
    }

    /// Changes the learning rate from the next step on.
    pub fn set_lr(&mut self, lr: f64) {
        self.config.lr = lr;
    }

    /// Steps taken, which the correction of the moments' bias depends on.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Moves every variable that has a gradient; one without keeps its value and moments.
    pub fn step(&mut self, gradients: &GradStore) -> Result<()> {
        #[cfg(feature = "cuda")]
        if self.is_on_gpu() {
            self.start_on_gpu(gradients, None, None)?;
            self.finish(true);
            return Ok(());
        }
        self.apply(gradients)?;
        self.finish(true);
        Ok(())
    }

    /// Begins a step with the gradients times `factor`, a value of `f64` on the variables' device, and, where there is a limit,
    /// clipped so that their global norm is at most that. Answers the norm before clipping, on the device: a GPU is not waited
    /// for. Where factor or norm is not finite nothing is moved; [`Adam::finish`] has to be told which it was.
    pub(crate) fn start(
        &mut self,
        mut gradients: GradStore,
        factor: &Tensor,
        limit: Option<f64>,
    ) -> Result<Option<Tensor>> {
        #[cfg(feature = "cuda")]
        if self.is_on_gpu() {
            return self.start_on_gpu(&gradients, Some(factor), limit);
        }
        let vars = self.slots.iter().map(|slot| &slot.var);
        let factor = factor.to_scalar::<f64>()?;
        if factor != 1.0 {
            clip::scale(&mut gradients, vars.clone(), factor)?;
        }
        let norm = limit.map(|limit| clip::clip(&mut gradients, vars, limit)).transpose()?;
        if factor.is_finite() && norm.is_none_or(f64::is_finite) {
            self.apply(&gradients)?;
        }
        norm.map(|norm| Tensor::new(norm, &candle_core::Device::Cpu)).transpose()
    }

    /// Ends a step that was begun: whether it moved the variables.
    pub(crate) fn finish(&mut self, taken: bool) {
        self.steps += u64::from(taken);
    }

    /// What the next step does, on the CPU.
    fn apply(&self, gradients: &GradStore) -> Result<()> {
        let constants = rule::constants(&self.config, self.steps + 1);
        for slot in &self.slots {
            let Some(gradient) = slot.gradient(gradients)? else { continue };
            match slot.var.dtype() {
                DType::F64 => slot.update::<f64>(&gradient, constants)?,
                _ => slot.update::<f32>(&gradient, constants)?,
            }
        }
        Ok(())
    }

    #[cfg(feature = "cuda")]
    fn is_on_gpu(&self) -> bool {
        self.slots.first().is_some_and(|slot| slot.var.device().is_cuda())
    }

    #[cfg(feature = "cuda")]
    fn start_on_gpu(
        &mut self,
        gradients: &GradStore,
        factor: Option<&Tensor>,
        limit: Option<f64>,
    ) -> Result<Option<Tensor>> {
        if self.on_device.is_none() {
            let tensors = self.slots.iter().map(|s| (s.var.as_tensor(), [Some(&s.first), Some(&s.second)]));
            self.on_device = cuda::OnDevice::of(&tensors.collect::<Vec<_>>())?;
        }
        let Some(device) = &mut self.on_device else { bail!("Adam: the variables are not on a GPU") };
        let gradients = self.slots.iter().map(|slot| slot.gradient(gradients)).collect::<Result<Vec<_>>>()?;
        device.step(&gradients, rule::constants(&self.config, self.steps + 1), factor, limit)
    }

    /// Copies of all moments under `exp_avg.NAME` and `exp_avg_sq.NAME`, in the variables' order.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>> {
        self.moments().into_iter().map(|(name, t)| Ok((name, t.copy()?))).collect()
    }

    /// The moments of [`Adam::state`] themselves, which the next step changes: to be written, without room for copies.
    pub(crate) fn moments(&self) -> Vec<(String, Tensor)> {
        let of = |slot: &Slot| {
            let named = |prefix: &str, t: &Tensor| (format!("{prefix}{}", slot.name), t.clone());
            [named(FIRST, &slot.first), named(SECOND, &slot.second)]
        };
        self.slots.iter().flat_map(of).collect()
    }

    /// Takes up moments that [`Adam::state`] gave after `steps` steps. Fails, changing nothing, where one is missing, of
    /// another shape or type, or of no variable of this optimiser. They may be on any device.
    pub fn load_state(&mut self, steps: u64, state: &[(String, Tensor)]) -> Result<()> {
        let mut given: BTreeMap<&str, &Tensor> = state.iter().map(|(name, t)| (name.as_str(), t)).collect();
        let mut take = |prefix: &str, like: &Tensor, name: &str| -> Result<Tensor> {
            let key = format!("{prefix}{name}");
            let Some(t) = given.remove(key.as_str()) else { bail!("Adam: the state has no {key}") };
            if t.shape() != like.shape() || t.dtype() != like.dtype() {
                let (got, wanted) = ((t.shape(), t.dtype()), (like.shape(), like.dtype()));
                bail!("Adam: {key} is {got:?} in the state, not {wanted:?}");
            }
            t.to_device(like.device())?.contiguous()?.copy()
        };
        let mut moments = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            moments.push((take(FIRST, &slot.first, &slot.name)?, take(SECOND, &slot.second, &slot.name)?));
        }
        if let Some(extra) = given.keys().next() {
            bail!("Adam: the state has {extra}, which no variable is called");
        }
        for (slot, (first, second)) in self.slots.iter_mut().zip(moments) {
            (slot.first, slot.second) = (first, second);
        }
        #[cfg(feature = "cuda")]
        {
            self.on_device = None;
        }
        self.steps = steps;
        Ok(())
    }
}

impl Slot {
    /// The variable's gradient, contiguous, if it has one. Fails where it does not fit.
    fn gradient(&self, gradients: &GradStore) -> Result<Option<Tensor>> {
        let Some(gradient) = gradients.get(&self.var) else { return Ok(None) };
        if gradient.shape() != self.var.shape() || gradient.dtype() != self.var.dtype() {
            bail!("Adam: the gradient of {} is {:?}, not {:?}", self.name, gradient.shape(), self.var.shape());
        }
        gradient.contiguous().map(Some)
    }

    fn update<T: Scalar>(&self, gradient: &Tensor, constants: [f64; 9]) -> Result<()> {
        let (storage, layout) = gradient.storage_and_layout();
        let (candle_core::Storage::Cpu(storage), Some((start, end))) = (&*storage, layout.contiguous_offsets()) else {
            bail!("Adam: the gradient of {} is not on the CPU", self.name)
        };
        let g = &T::cpu_storage_as_slice(storage)?[start..end];
        let rule = Rule::<T>::new(constants);
        with_mut(&self.var, |p: &mut [T]| {
            with_mut(&self.first, |m: &mut [T]| with_mut(&self.second, |v: &mut [T]| rule.apply(p, g, m, v)))?
        })??;
        Ok(())
    }
}

/// What the update needs of an element type.
trait Scalar: WithDType {
    fn sqrt(self) -> Self;
    fn from_f64_exact(v: f64) -> Self;
}

impl Scalar for f32 {
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
    fn from_f64_exact(v: f64) -> Self {
        v as f32
    }
}

impl Scalar for f64 {
    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    fn from_f64_exact(v: f64) -> Self {
        v
    }
}

/// The constants of one step in the variables' type.
struct Rule<T> {
    keep: T,
    decay: T,
    beta1: (T, T),
    beta2: (T, T),
    step_size: T,
    root_scale: T,
    eps: T,
}

impl<T: Scalar> Rule<T> {
    fn new(constants: [f64; 9]) -> Self {
        let [keep, decay, beta1, rest1, beta2, rest2, step_size, root_scale, eps] = constants.map(T::from_f64_exact);
        Self { keep, decay, beta1: (beta1, rest1), beta2: (beta2, rest2), step_size, root_scale, eps }
    }

    fn apply(&self, p: &mut [T], g: &[T], m: &mut [T], v: &mut [T]) {
        let state = m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK));
        p.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK)).zip(state).for_each(|((p, g), (m, v))| {
            crate::ops::wide(apply_chunk, (self, p, g, m, v));
        });
    }
}

/// Rule, parameters, gradients, first and second moments.
type Update<'a, T> = (&'a Rule<T>, &'a mut [T], &'a [T], &'a mut [T], &'a mut [T]);

#[inline(always)]
fn apply_chunk<T: Scalar>((rule, p, g, m, v): Update<'_, T>) {
    for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
        let g = *g + rule.decay * *p;
        *m = rule.beta1.0 * *m + rule.beta1.1 * g;
        *v = rule.beta2.0 * *v + rule.beta2.1 * g * g;
        *p = rule.keep * *p - rule.step_size * *m / (v.sqrt() * rule.root_scale + rule.eps);
    }
}

/// Runs `f` on the values of a contiguous CPU tensor, in place.
fn with_mut<T: WithDType, R>(t: &Tensor, f: impl FnOnce(&mut [T]) -> R) -> Result<R> {
    let op = InPlace { f: RefCell::new(Some(f)), result: RefCell::new(None), of: std::marker::PhantomData::<T> };
    t.inplace_op1(&op)?;
    match op.result.into_inner() {
        Some(result) => Ok(result),
        None => bail!("Adam: a variable changed its type"),
    }
}

struct InPlace<T, F, R> {
    f: RefCell<Option<F>>,
    result: RefCell<Option<R>>,
    of: std::marker::PhantomData<T>,
}

impl<T: WithDType, R, F: FnOnce(&mut [T]) -> R> InplaceOp1 for InPlace<T, F, R> {
    fn name(&self) -> &'static str {
        "Adam"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let Some((start, end)) = layout.contiguous_offsets() else { bail!("Adam: a variable is not contiguous") };
        let mut data = T::cpu_storage_data(std::mem::replace(storage, CpuStorage::U8(Vec::new())))?;
        if let Some(f) = self.f.take() {
            *self.result.borrow_mut() = Some(f(&mut data[start..end]));
        }
        *storage = T::to_cpu_storage_owned(data);
        Ok(())
    }
}
