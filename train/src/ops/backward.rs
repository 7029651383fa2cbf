//! Backward passes that keep the gradients of variables aside.
//!
//! Candle adds every gradient that an operation answers to a tensor of zeros: the filters' would go through memory four
//! times more, a twentieth of a step of the whole network (the activations' do: Candle asks for them on the way). A variable has nothing below it in the graph, so that nobody
//! needs its gradient before the pass is over.

use std::cell::RefCell;

use candle_core::{Result, Tensor, backprop::GradStore};

thread_local! {
    /// Variables and gradients of the pass that runs on this thread; none outside [`backward`].
    static ASIDE: RefCell<Option<Vec<(Tensor, Tensor)>>> = const { RefCell::new(None) };
}

/// The gradients of a scalar, as [`Tensor::backward`] gives them, in less time.
///
/// # Errors
/// What Candle answers.
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    ASIDE.set(Some(Vec::new()));
    let done = loss.backward();
    let aside = ASIDE.take().unwrap_or_default();
    let mut store = done?;
    for (variable, gradient) in aside {
        let sum = store.get(&variable).map(|there| there + &gradient).transpose()?;
        store.insert(&variable, sum.unwrap_or(gradient));
    }
    Ok(store)
}

/// What an operation answers as the gradient of its input `of`: nothing where it is kept aside.
pub(super) fn answer(of: &Tensor, gradient: Tensor) -> Option<Tensor> {
    ASIDE.with_borrow_mut(|aside| match aside {
        Some(aside) if of.is_variable() => {
            aside.push((of.clone(), gradient));
            None
        }
        _ => Some(gradient),
    })
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor, Var};

    /// Of a variable that is used twice, and of one that other operations use too: as Candle's own pass.
    #[test]
    fn gradients_are_those_of_candles_own_pass() -> candle_core::Result<()> {
        let device = Device::Cpu;
        let x = Tensor::arange(0f64, 2.0 * 3.0 * 8.0 * 8.0, &device)?.reshape((2, 3, 8, 8))?.sin()?;
        let w = Var::from_tensor(&Tensor::arange(0f64, 81.0, &device)?.reshape((3, 3, 3, 3))?.cos()?)?;
        let v = Var::ones((3, 4, 4, 4), DType::F64, &device)?;
        let once = crate::ops::conv2d(&x, &w, None, 1)?;
        let twice = crate::ops::conv2d(&once, &w, None, 1)?;
        let doubled = crate::ops::conv_transpose2d(&twice, &v)?;
        let loss = (doubled.sqr()?.sum_all()? + (w.as_tensor().sqr()?.sum_all()? * 3.0)?)?;
        let (theirs, ours) = (loss.backward()?, super::backward(&loss)?);
        for variable in [&w, &v] {
            let get = |store: &candle_core::backprop::GradStore| {
                store.get(variable).map(|g| g.flatten_all()?.to_vec1::<f64>())
            };
            let (Some(theirs), Some(ours)) = (get(&theirs), get(&ours)) else { panic!("a gradient is missing") };
            for (a, b) in theirs?.iter().zip(ours?) {
                assert!((a - b).abs() <= 1e-12 * a.abs().max(1.0), "{a} and {b}");
            }
        }
        // The pass is over: the next one is Candle's own again.
        assert!(loss.backward()?.get(&w).is_some());
        Ok(())
    }
}
