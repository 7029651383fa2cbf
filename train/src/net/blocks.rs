//! What every part of the network is made of: convolution, batch norm and ReLU.

use std::collections::BTreeMap;

use candle_core::{DType, Result, Tensor, Var};

use manifests::run::Precision;

use super::{Kind, Layer, params::Params};
use crate::ops::{self, Format};

/// How a forward pass treats batch norms and the tape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pass {
    /// Weight of the batch's statistics in the running ones; none: the running ones normalise (evaluation).
    momentum: Option<f64>,
    /// Whether gradients will be asked for.
    tape: bool,
    /// Type of what flows between the layers; none: the image's. Weights and statistics keep theirs.
    dtype: Option<DType>,
    /// Order of what flows between the layers.
    format: Format,
}

impl Pass {
    /// Training, as PyTorch: the batch's statistics normalise, and enter the running ones with weight 0.1.
    pub fn train() -> Self {
        Self { momentum: Some(0.1), tape: true, dtype: None, format: Format::ChannelsFirst }
    }
    /// Evaluation: the running statistics normalise; no gradients.
    pub fn eval() -> Self {
        Self { momentum: None, tape: false, dtype: None, format: Format::ChannelsFirst }
    }
    /// The `k`-th pass (from 0) of a re-estimation: afterwards the running statistics are the plain mean over
    /// the passes so far (precise batch norm; Wu and Johnson, 2021). No gradients.
    pub fn reestimate(k: usize) -> Self {
        Self { momentum: Some(1.0 / (k as f64 + 1.0)), ..Self::eval() }
    }
    /// The same pass with `bf16` between the layers where the precision says so: images and weights are rounded on the way, B, R
    /// and the gradient come out in the image's type. Channels lie last then, as GPUs' tensor cores take them.
    pub fn with_precision(self, precision: Precision) -> Self {
        match precision {
            Precision::Bf16 => Self { dtype: Some(DType::BF16), format: Format::ChannelsLast, ..self },
            Precision::F32 | Precision::Tf32 => Self { dtype: None, format: Format::ChannelsFirst, ..self },
        }
    }
    /// The same pass with another order between the layers; images go in and come out as N x C x H x W in either.
    pub fn with_format(self, format: Format) -> Self {
        Self { format, ..self }
    }
    /// The order between the layers.
    pub(crate) fn format(self) -> Format {
        self.format
    }
    /// What flows between the layers, in their type.
    fn between(self, x: &Tensor) -> Result<Tensor> {
        match self.dtype {
            Some(dtype) => ops::cast(x, dtype),
            None => Ok(x.clone()),
        }
    }
    /// The variable's tensor, cut from the tape where no gradient will be asked for.
    fn tensor(self, var: &Var) -> Tensor {
        if self.tape { var.as_tensor().clone() } else { var.as_detached_tensor() }
    }
}

/// Creates the parameters of the stage table's layers, by name.
pub(crate) struct Builder<'a> {
    pub(crate) params: &'a mut Params,
    pub(crate) layers: BTreeMap<String, Layer>,
}

impl Builder<'_> {
    /// The block of one layer of the table.
    pub(crate) fn block(&mut self, name: &str) -> Result<Block> {
        let layer = self.layers.get(name).cloned();
        let layer = layer.ok_or_else(|| candle_core::Error::Msg(format!("the stage table has no layer {name}")))?;
        Block::new(self.params, &layer)
    }
}

/// One layer of the stage table: convolution, batch norm + ReLU where it has one, pooling where it has one.
#[derive(Debug)]
pub(crate) struct Block {
    /// Its line of the stage table.
    pub(crate) layer: Layer,
    weight: Var,
    bias: Option<Var>,
    norm: Option<Norm>,
}

impl Block {
    fn new(params: &mut Params, layer: &Layer) -> Result<Self> {
        let dims = layer.weight_dims();
        // PyTorch's fan-in is the second dimension times the kernel, for transposed convolutions too.
        let bound = 1.0 / ((dims[1] * dims[2] * dims[3]) as f64).sqrt();
        let weight = params.uniform(format!("{}.weight", layer.name), &dims, bound)?;
        let bias = layer.bias.then(|| params.uniform(format!("{}.bias", layer.name), &[layer.cout], bound));
        let norm = layer.norm.as_ref().map(|name| Norm::new(params, name, layer.cout, layer.eps));
        Ok(Self { layer: layer.clone(), weight, bias: bias.transpose()?, norm: norm.transpose()? })
    }

    /// Sets gamma and beta of the layer's batch norm, where it has one, to `value`, for every channel.
    pub(crate) fn scale_to(&self, value: f64) -> Result<()> {
        for var in self.norm.iter().flat_map(|n| [&n.gamma, &n.beta]) {
            var.set(&(var.as_detached_tensor().zeros_like()? + value)?)?;
        }
        Ok(())
    }

    /// N x cin x H x W to N x cout x H' x W' in the pass's order, sizes as in the stage table.
    pub(crate) fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let (x, w) = (&pass.between(x)?, pass.tensor(&self.weight));
        // A batch norm takes the batch's mean away, and a bias with it: the result and all gradients are the same without, its
        // own is 0, and two passes through memory are saved. The running mean alone knows of it.
        let taken_away = self.norm.is_some() && pass.momentum.is_some();
        let bias = self.bias.as_ref().filter(|_| !taken_away).map(|b| pass.tensor(b));
        let mut y = match self.layer.kind {
            Kind::Conv(k) => pass.format.conv2d(x, &w, bias.as_ref(), k / 2)?,
            Kind::Deconv => pass.format.conv_transpose2d(x, &w)?,
        };
        if let Some(norm) = &self.norm {
            y = norm.forward(&y, self.bias.as_ref().filter(|_| taken_away), pass)?;
        }
        if self.layer.pool { pass.format.max_pool2x2(&y) } else { Ok(y) }
    }
}

/// Batch norm followed by ReLU.
#[derive(Debug)]
struct Norm {
    gamma: Var,
    beta: Var,
    running_mean: Var,
    running_var: Var,
    eps: f64,
}

impl Norm {
    fn new(params: &mut Params, name: &str, channels: usize, eps: f64) -> Result<Self> {
        Ok(Self {
            gamma: params.constant(format!("{name}.weight"), channels, 1.0, true)?,
            beta: params.constant(format!("{name}.bias"), channels, 0.0, true)?,
            running_mean: params.constant(format!("{name}.running_mean"), channels, 0.0, false)?,
            running_var: params.constant(format!("{name}.running_var"), channels, 1.0, false)?,
            eps,
        })
    }

    /// `bias` is what every value of a channel lacks that the running mean is to count.
    fn forward(&self, x: &Tensor, bias: Option<&Var>, pass: Pass) -> Result<Tensor> {
        let (gamma, beta) = (pass.tensor(&self.gamma), pass.tensor(&self.beta));
        let Some(momentum) = pass.momentum else {
            let (mean, var) = (self.running_mean.as_detached_tensor(), self.running_var.as_detached_tensor());
            return pass.format.batch_norm_eval(x, &gamma, &beta, (&mean, &var), self.eps, true);
        };
        let (y, stats) = pass.format.batch_norm_train(x, &gamma, &beta, self.eps, true)?;
        let bias = bias.map(|b| b.as_detached_tensor());
        stats.enter(bias.as_ref(), &self.running_mean, &self.running_var, momentum)?;
        Ok(y)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use manifests::run::Model;

    use super::*;
    use crate::net::layers;

    /// Of a norm's layer in training the bias is left out of everything but the running mean.
    #[test]
    fn a_bias_before_a_norm_enters_the_running_mean_alone() {
        let layer =
            layers(&Model { width: 0.0625, ..Model::default() }).into_iter().find(|l| l.bias && !l.pool).unwrap();
        let mut params = Params::new(Some(3), DType::F64, &Device::Cpu);
        let block = Block::new(&mut params, &layer).unwrap();
        let (bias, norm) = (block.bias.as_ref().unwrap(), block.norm.as_ref().unwrap());
        let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        assert!(values(bias).iter().all(|v| v.abs() > 1e-4), "a bias of nothing shows nothing");

        let x = Tensor::arange(0f64, (2 * layer.cin * 8 * 8) as f64, &Device::Cpu).unwrap();
        let x = x.sin().unwrap().reshape((2, layer.cin, 8, 8)).unwrap();
        let biased = ops::conv2d(&x, &block.weight, Some(bias), 1).unwrap();
        let (expected, stats) = ops::batch_norm_train(&biased, &norm.gamma, &norm.beta, norm.eps, true).unwrap();
        let [mean, var] =
            [&norm.running_mean, &norm.running_var].map(|v| Var::from_tensor(&v.copy().unwrap()).unwrap());
        stats.enter(None, &mean, &var, 0.1).unwrap();

        let (found, tape) = ops::record(|| Ok(vec![block.forward(&x, Pass::train())?])).unwrap();
        let gradients = tape.backward(&found[0].sqr().unwrap().sum_all().unwrap()).unwrap();
        let close = |what: &str, a: &Tensor, b: &Tensor| {
            let off = values(a).iter().zip(values(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < 1e-12, "{what} is off by {off:e}");
        };
        close("the result", &found[0], &expected);
        close("the running mean", &norm.running_mean, &mean);
        close("the running variance", &norm.running_var, &var);
        assert!(gradients.get(bias).is_none() && gradients.get(&block.weight).is_some());
    }
}
