//! The whole network.

use candle_core::{DType, Device, Result, Tensor};
use manifests::run::{self, Model};

use super::{
    MULTIPLE,
    background::BackgroundDecoder,
    blocks::{Builder, Pass},
    encoder::Encoder,
    gradient::GradientDecoder,
    layers,
    params::Params,
    walk::Walk,
};
use crate::ops::{self, Tape};

/// What a new network that gives R answers at first, in intensities: about the mean of the paper's reflections (beta 0.1 to 0.5).
///
/// A batch norm as PyTorch begins it (gamma 1, beta 0) gives R some ten times too bright. To darken it, training lowers beta as fast as
/// gamma, and before gamma is there most pixels of a channel lie below 0, where ReLU passes no gradient: the channel is dead for good.
/// Beginning residuals small is usual (Goyal et al. 2017, section 5.1: gamma 0).
const FIRST_RESIDUAL: f64 = 0.1;

/// CoRRN with its parameters.
#[derive(Debug)]
pub struct Corrn {
    encoder: Encoder,
    gradient: Option<GradientDecoder>,
    background: BackgroundDecoder,
    model: Model,
    params: Params,
}

/// What the network gives for I.
#[derive(Debug)]
pub struct Output<V = Tensor> {
    /// B, N x 3 x H x W.
    pub background: V,
    /// R = I - B, N x 3 x H x W.
    pub reflection: V,
    /// The gradient of B, N x 1 x H x W, in (0, 1); none without the gradient decoder.
    pub gradient: Option<V>,
}

impl Corrn {
    /// A network with weights drawn from `seed`, as PyTorch initialises its layers; one that gives R begins with faint answers.
    ///
    /// # Errors
    /// What Candle answers, for instance when the device has no memory left.
    pub fn new(model: &Model, seed: u64, dtype: DType, device: &Device) -> Result<Self> {
        let net = Self::of(model, Some(seed), dtype, device)?;
        if net.output() == run::Output::Residual {
            net.background.start_at(FIRST_RESIDUAL)?;
        }
        Ok(net)
    }

    /// A network of zeros, to be filled from a file.
    ///
    /// # Errors
    /// As [`Corrn::new`].
    pub fn blank(model: &Model, dtype: DType, device: &Device) -> Result<Self> {
        Self::of(model, None, dtype, device)
    }

    fn of(model: &Model, seed: Option<u64>, dtype: DType, device: &Device) -> Result<Self> {
        let mut params = Params::new(seed, dtype, device);
        let table = layers(model).into_iter().map(|l| (l.name.clone(), l)).collect();
        let mut b = Builder { params: &mut params, layers: table };
        let encoder = Encoder::new(&mut b)?;
        let gradient = if model.gradient_decoder { Some(GradientDecoder::new(&mut b)?) } else { None };
        let background = BackgroundDecoder::new(&mut b, model.branches)?;
        Ok(Self { encoder, gradient, background, model: model.clone(), params })
    }

    /// What it is.
    pub fn described(&self) -> &Model {
        &self.model
    }

    /// What its last layer gives.
    pub fn output(&self) -> run::Output {
        self.model.output
    }

    /// The network's numbers.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// I, N x 3 x H x W in [0, 1], to B, R and the gradient of B.
    ///
    /// # Errors
    /// When the image is not N x 3 x H x W with H and W multiples of 32.
    pub fn forward(&self, image: &Tensor, pass: Pass) -> Result<Output> {
        check(image)?;
        let out = self.walk(&pass.format().of_image(image)?, &pass)?;
        let own = |t: Tensor| ops::cast(&pass.format().to_image(&t)?, image.dtype());
        Ok(Output {
            background: own(out.background)?,
            reflection: own(out.reflection)?,
            gradient: out.gradient.map(own).transpose()?,
        })
    }

    /// As [`Corrn::forward`], on a tape of its own: what is computed from the outputs has its gradients by [`Tape::backward`].
    ///
    /// # Errors
    /// As [`Corrn::forward`].
    pub fn record(&self, image: &Tensor, pass: Pass) -> Result<(Output, Tape)> {
        let (outputs, tape) = ops::record(|| {
            let out = self.forward(image, pass)?;
            Ok([Some(out.background), Some(out.reflection), out.gradient].into_iter().flatten().collect())
        })?;
        let mut outputs = outputs.into_iter();
        let (Some(background), Some(reflection)) = (outputs.next(), outputs.next()) else {
            candle_core::bail!("the network gave nothing")
        };
        Ok((Output { background, reflection, gradient: outputs.next() }, tape))
    }

    /// What the five stages of the encoder answer to I in evaluation: N x C x H/2 x W/2 to N x C x H/32 x W/32.
    ///
    /// # Errors
    /// As [`Corrn::forward`].
    pub fn stages(&self, image: &Tensor) -> Result<[Tensor; 5]> {
        check(image)?;
        Ok(self.encoder.forward(image, &Pass::eval())?.stages)
    }

    /// The whole network's wiring.
    pub(crate) fn walk<W: Walk>(&self, image: &W::Value, walk: &W) -> Result<Output<W::Value>> {
        let features = self.encoder.forward(image, walk)?;
        let guidance = self.gradient.as_ref().map(|g| g.forward(&features, walk)).transpose()?;
        let last = self.background.forward(&features, guidance.as_ref(), walk)?;
        let rest = walk.subtract(image, &last)?;
        let (background, reflection) = match self.model.output {
            run::Output::Background => (last, rest),
            run::Output::Residual => (rest, last),
        };
        Ok(Output { background, reflection, gradient: guidance.map(|g| g.gradient) })
    }
}

/// Refuses what the stages cannot halve.
fn check(image: &Tensor) -> Result<()> {
    let (_, c, h, w) = image.dims4()?;
    if c != 3 || h == 0 || w == 0 || h % MULTIPLE != 0 || w % MULTIPLE != 0 {
        candle_core::bail!("the network takes N x 3 x H x W with H and W multiples of {MULTIPLE}, not {c} x {h} x {w}");
    }
    Ok(())
}
