//! The tape of a training pass.
//!
//! Candle's own adds every gradient that an operation answers to a tensor of zeros, which goes through memory four times more, and
//! keeps all activations until the pass is over. Here gradients are handed on as they are, added only where a value was used more
//! than once, and what the way back has behind it is freed. An operation says what it does on the way back once, in Candle's
//! terms: outside [`record`] it is on Candle's tape.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use candle_core::backprop::GradStore;
use candle_core::{CustomOp1, CustomOp2, CustomOp3, Result, Tensor, TensorId, Var};

thread_local! {
    /// What this thread is recording, or going back through.
    static RECORDED: RefCell<Option<Nodes>> = const { RefCell::new(None) };
}

/// (arguments, result, gradient of the result) to gradients of the arguments.
type Back = Box<dyn Fn(&[Tensor], &Tensor, &Tensor) -> Result<Vec<Option<Tensor>>>>;

/// One operation that was carried out.
struct Node {
    arguments: Vec<Tensor>,
    result: Tensor,
    back: Back,
}

#[derive(Default)]
struct Nodes {
    nodes: Vec<Node>,
    /// Results that depend on a variable.
    known: HashSet<TensorId>,
}

/// What a function computed from variables, to go back through once.
pub struct Tape {
    nodes: Nodes,
    /// The function's results as variables, and what they were on the tape.
    outputs: Vec<(Var, TensorId)>,
}

/// Runs a function of variables with a tape of its own. Its results come out as new variables, from which anything may be computed
/// with Candle; [`Tape::backward`] goes on from there.
///
/// Between its variables and its results the function may use the operations of [`crate::ops`] alone: others take no gradients.
///
/// # Errors
/// The function's.
pub fn record(f: impl FnOnce() -> Result<Vec<Tensor>>) -> Result<(Vec<Tensor>, Tape)> {
    RECORDED.set(Some(Nodes::default()));
    let done = f();
    let nodes = RECORDED.take().unwrap_or_default();
    let results = done?;
    let outputs: Vec<(Var, TensorId)> =
        results.iter().map(|t| Ok((Var::from_tensor(t)?, t.id()))).collect::<Result<_>>()?;
    Ok((outputs.iter().map(|(var, _)| var.as_tensor().clone()).collect(), Tape { nodes, outputs }))
}

impl Tape {
    /// The gradients of a scalar that was computed from the function's results, by variable.
    ///
    /// # Errors
    /// What Candle answers.
    pub fn backward(self, loss: &Tensor) -> Result<GradStore> {
        let (mut store, mut open) = (loss.backward()?, HashMap::new());
        for (var, id) in &self.outputs {
            if let Some(gradient) = store.remove(var) {
                add(&mut open, *id, gradient)?;
            }
        }
        let Nodes { nodes, known } = self.nodes;
        // Operations ask which of their arguments need a gradient.
        RECORDED.set(Some(Nodes { nodes: Vec::new(), known }));
        let done = back(nodes, open, &mut store);
        RECORDED.set(None);
        done.map(|()| store)
    }
}

/// From the last node to the first. What a node held is freed before the next one's turn.
fn back(mut nodes: Vec<Node>, mut open: HashMap<TensorId, Tensor>, store: &mut GradStore) -> Result<()> {
    while let Some(node) = nodes.pop() {
        let Some(gradient) = open.remove(&node.result.id()) else { continue };
        let gradients = (node.back)(&node.arguments, &node.result, &gradient)?;
        for (argument, gradient) in node.arguments.iter().zip(gradients) {
            match gradient {
                Some(gradient) if argument.is_variable() => {
                    let sum = store.get(argument).map(|there| there + &gradient).transpose()?;
                    store.insert(argument, sum.unwrap_or(gradient));
                }
                Some(gradient) if wanted(argument) => add(&mut open, argument.id(), gradient)?,
                _ => {}
            }
        }
    }
    Ok(())
}

fn add(open: &mut HashMap<TensorId, Tensor>, id: TensorId, gradient: Tensor) -> Result<()> {
    let sum = match open.remove(&id) {
        Some(there) => (there + gradient)?,
        None => gradient,
    };
    open.insert(id, sum);
    Ok(())
}

/// Whether somebody needs the gradient of a tensor, on either tape.
pub(super) fn wanted(t: &Tensor) -> bool {
    t.track_op() || RECORDED.with_borrow(|r| r.as_ref().is_some_and(|r| r.known.contains(&t.id())))
}

/// Carries out a function that Candle's tape knows; `back` is its way back where ours is written.
pub(super) fn apply(
    arguments: &[&Tensor],
    f: impl FnOnce() -> Result<Tensor>,
    back: impl Fn(&[Tensor], &Tensor, &Tensor) -> Result<Vec<Option<Tensor>>> + 'static,
) -> Result<Tensor> {
    let result = f()?;
    note(arguments, &result, back);
    Ok(result)
}

/// Applies an operation of one argument.
pub(super) fn apply1(x: &Tensor, op: impl CustomOp1 + Send + Sync + 'static) -> Result<Tensor> {
    if !recording() {
        return x.apply_op1(op);
    }
    let result = x.apply_op1_no_bwd(&op)?;
    note(&[x], &result, move |of, y, g| Ok(vec![op.bwd(&of[0], y, g)?]));
    Ok(result)
}

/// Applies an operation of two arguments.
pub(super) fn apply2(x: &Tensor, w: &Tensor, op: impl CustomOp2 + Send + Sync + 'static) -> Result<Tensor> {
    if !recording() {
        return x.apply_op2(w, op);
    }
    let result = x.apply_op2_no_bwd(w, &op)?;
    note(&[x, w], &result, move |of, y, g| {
        let (x, w) = op.bwd(&of[0], &of[1], y, g)?;
        Ok(vec![x, w])
    });
    Ok(result)
}

/// Applies an operation of three arguments.
pub(super) fn apply3(x: &Tensor, w: &Tensor, b: &Tensor, op: impl CustomOp3 + Send + Sync + 'static) -> Result<Tensor> {
    if !recording() {
        return x.apply_op3(w, b, op);
    }
    let result = x.apply_op3_no_bwd(w, b, &op)?;
    note(&[x, w, b], &result, move |of, y, g| {
        let (x, w, b) = op.bwd(&of[0], &of[1], &of[2], y, g)?;
        Ok(vec![x, w, b])
    });
    Ok(result)
}

fn recording() -> bool {
    RECORDED.with_borrow(Option::is_some)
}

/// Writes down what was done, where a gradient will be asked for.
fn note(
    arguments: &[&Tensor],
    result: &Tensor,
    back: impl Fn(&[Tensor], &Tensor, &Tensor) -> Result<Vec<Option<Tensor>>> + 'static,
) {
    if !recording() || !arguments.iter().any(|t| wanted(t)) {
        return;
    }
    let arguments = arguments.iter().map(|t| (*t).clone()).collect();
    RECORDED.with_borrow_mut(|recorded| {
        if let Some(recorded) = recorded {
            recorded.known.insert(result.id());
            recorded.nodes.push(Node { arguments, result: result.clone(), back: Box::new(back) });
        }
    });
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Result, Tensor, Var};

    use super::record;
    use crate::ops;

    /// Values that are used twice, variables that are used twice and outside too, a result that nothing depends on.
    #[test]
    fn gradients_are_those_of_candles_own_tape() -> Result<()> {
        let device = Device::Cpu;
        let x = Tensor::arange(0f64, 2.0 * 3.0 * 8.0 * 8.0, &device)?.reshape((2, 3, 8, 8))?.sin()?;
        let w = Var::from_tensor(&Tensor::arange(0f64, 81.0, &device)?.reshape((3, 3, 3, 3))?.cos()?)?;
        let v = Var::ones((6, 4, 4, 4), DType::F64, &device)?;
        let gamma = Var::from_tensor(&Tensor::arange(1f64, 4.0, &device)?)?;
        let function = || -> Result<Vec<Tensor>> {
            let once = ops::conv2d(&x, &w, None, 1)?;
            let twice = ops::relu(&ops::conv2d(&once, &w, None, 1)?)?;
            let (normal, _) = ops::batch_norm_train(&once, &gamma, &gamma, 1e-3, true)?;
            let both = ops::cat(&[&twice, &normal], 1)?;
            let pooled = ops::max_pool2x2(&both)?;
            let doubled = ops::sigmoid(&ops::conv_transpose2d(&pooled, &v)?)?;
            Ok(vec![ops::subtract(&ops::cast(&x, DType::F32)?, &once)?, doubled, twice])
        };
        let loss = |results: &[Tensor]| -> Result<Tensor> {
            let squares = (results[0].to_dtype(DType::F64)?.sqr()?.sum_all()? + results[1].sqr()?.sum_all()?)?;
            squares + (w.as_tensor().sqr()?.sum_all()? * 3.0)?
        };
        let theirs = loss(&function()?)?.backward()?;
        let (results, tape) = record(function)?;
        let ours = tape.backward(&loss(&results)?)?;
        for variable in [&w, &v, &gamma] {
            let values = |t: Option<&Tensor>| t.map(|g| g.flatten_all()?.to_vec1::<f64>()).transpose();
            let (theirs, ours) = (values(theirs.get(variable))?, values(ours.get(variable))?);
            let (Some(theirs), Some(ours)) = (theirs, ours) else { panic!("a gradient is missing") };
            let largest = theirs.iter().fold(0f64, |m, v| m.max(v.abs()));
            assert!(largest > 0.0);
            for (a, b) in theirs.iter().zip(ours) {
                assert!((a - b).abs() <= 1e-12 * largest, "{a} and {b}");
            }
        }
        // The pass is over: the next one is Candle's own again.
        assert!(loss(&function()?)?.backward()?.get(&w).is_some());
        Ok(())
    }

    #[test]
    fn a_function_that_fails_leaves_no_tape_behind() -> Result<()> {
        let x = Var::ones((1, 1, 1, 1), DType::F64, &Device::Cpu)?;
        assert!(record(|| Ok(vec![ops::max_pool2x2(&x)?])).is_err());
        assert!(ops::relu(&x)?.sum_all()?.backward()?.get(&x).is_some());
        Ok(())
    }
}
