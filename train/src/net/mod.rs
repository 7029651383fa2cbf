//! CoRRN (Wan et al., TPAMI 2019, section 4): a mixture I in, the background B, the reflection R and B's gradient out.
//!
//! This file is the stage table: every convolution of the network with its name, channels and scale.
//! The blocks ask it for their channels by name, so that it cannot differ from what runs. Names are
//! those of the authors' state_dict.
//!
//! | part | from | stages |
//! |---|---|---|
//! | CencN | I | `convs1R` to `convs5R` (VGG16-BN, each ending in 2x2 max pooling), `conv6R` |
//! | GdecN | `convs4R` | `conv6_1` to `deconv1`, `pred1_contour`: the gradient of B |
//! | enhancement | GdecN | `featureEnhance5` to `featureEnhance2`, from GdecN to IdecN at four scales |
//! | IdecN | `conv6R` | `featureExtractionA`, `deconv0R` to `deconv4R` with `featureExtractionB` between, `output` |

mod background;
mod blocks;
mod encoder;
mod extraction;
mod gradient;
mod model;
pub mod params;
mod walk;

pub(crate) use blocks::Block;
pub use blocks::Pass;
pub use model::{Corrn, Output};
pub(crate) use walk::Walk;

use manifests::run::{Branches, Model};

use crate::weights::Tensors;

/// Height and width must be multiples of this: the encoder halves five times.
pub const MULTIPLE: usize = 32;
/// Added to the variance in every batch norm of the decoders (authors' code).
const EPS: f64 = 1e-3;
/// Added to the variance in VGG16-BN's batch norms (torchvision).
const VGG_EPS: f64 = 1e-5;

/// What a layer does between its input and its batch norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Stride 1, zero padding that keeps the size; the kernel's side.
    Conv(usize),
    /// 4x4 transposed convolution, stride 2, padding 1: doubles height and width.
    Deconv,
}

/// One convolution and what follows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Name of the layer in the state_dict, without `.weight`: `convs1R.0`, `conv6_1.conv`.
    pub name: String,
    /// Name of the batch norm after it, which is followed by ReLU; none after the last layer of GdecN.
    pub norm: Option<String>,
    /// Added to the variance in that batch norm.
    pub eps: f64,
    /// Whether the convolution has a bias.
    pub bias: bool,
    /// The operation.
    pub kind: Kind,
    /// Channels in.
    pub cin: usize,
    /// Channels out.
    pub cout: usize,
    /// Input height and width are the image's over 2 to this power.
    pub scale: u32,
    /// Whether 2x2 max pooling follows.
    pub pool: bool,
}

impl Layer {
    /// Dimensions of the weight, as PyTorch stores it: out x in x k x k, transposed in x out x 4 x 4.
    pub fn weight_dims(&self) -> [usize; 4] {
        match self.kind {
            Kind::Conv(k) => [self.cout, self.cin, k, k],
            Kind::Deconv => [self.cin, self.cout, 4, 4],
        }
    }

    /// Trained numbers: weight, bias and the batch norm's scale and shift.
    pub fn parameters(&self) -> usize {
        let norm = if self.norm.is_some() { 2 } else { 0 };
        self.weight_dims().iter().product::<usize>() + self.cout * (usize::from(self.bias) + norm)
    }

    /// Height and width of the input for an image of `height` x `width`.
    pub fn input_size(&self, height: usize, width: usize) -> (usize, usize) {
        (height >> self.scale, width >> self.scale)
    }

    /// Height and width of the output, after pooling.
    pub fn output_size(&self, height: usize, width: usize) -> (usize, usize) {
        let (h, w) = self.conv_size(height, width);
        if self.pool { (h / 2, w / 2) } else { (h, w) }
    }

    /// Height and width of the convolution's own output.
    fn conv_size(&self, height: usize, width: usize) -> (usize, usize) {
        let (h, w) = self.input_size(height, width);
        if self.kind == Kind::Deconv { (2 * h, 2 * w) } else { (h, w) }
    }

    /// Multiply-adds of the convolution for one image of `height` x `width`.
    pub fn multiply_adds(&self, height: usize, width: usize) -> u64 {
        let (h, w) = match self.kind {
            Kind::Conv(_) => self.conv_size(height, width),
            // Each input pixel meets each weight once.
            Kind::Deconv => self.input_size(height, width),
        };
        (self.weight_dims().iter().product::<usize>() * h * w) as u64
    }

    /// Numbers that the layer's outputs hold for one image: convolution, norm with ReLU, pooling.
    pub fn activations(&self, height: usize, width: usize) -> u64 {
        let (h, w) = self.conv_size(height, width);
        let pooled = if self.pool { (h / 2) * (w / 2) } else { 0 };
        (self.cout * (h * w * (1 + usize::from(self.norm.is_some())) + pooled)) as u64
    }
}

/// Channel count at a width multiplier: rounded half to even, at least 1.
pub fn scaled(channels: usize, width: f64) -> usize {
    ((channels as f64 * width).round_ties_even() as usize).max(1)
}

/// Every layer of the network in the order of its parameters.
pub fn layers(model: &Model) -> Vec<Layer> {
    let c = |n: usize| scaled(n, model.width);
    let mut t = Vec::new();
    // CencN, image to 1/32
    for (stage, (name, cin, cout, convs)) in [
        ("convs1R", 3, c(64), 2),
        ("convs2R", c(64), c(128), 2),
        ("convs3R", c(128), c(256), 3),
        ("convs4R", c(256), c(512), 3),
        ("convs5R", c(512), c(512), 3),
    ]
    .into_iter()
    .enumerate()
    {
        for i in 0..convs {
            t.push(Layer {
                name: format!("{name}.{}", 3 * i),
                norm: Some(format!("{name}.{}", 3 * i + 1)),
                eps: VGG_EPS,
                bias: true,
                kind: Kind::Conv(3),
                cin: if i == 0 { cin } else { cout },
                cout,
                scale: stage as u32,
                pool: i + 1 == convs,
            });
        }
    }
    t.push(conv("conv6R", c(512), c(256), 3, 5));
    if model.gradient_decoder {
        // GdecN, from 1/16 to the image
        t.push(conv("conv6_1", c(512), c(1024), 7, 4));
        t.push(conv("conv6_2", c(1024), c(512), 1, 4));
        t.push(conv("deconv5_1", c(512), c(256), 3, 4));
        t.push(conv("deconv5_2", c(256), c(256), 5, 4));
        t.push(conv("deconv4_1", c(256) + c(512), c(128), 3, 4));
        t.push(deconv("deconv4_2", "conv", c(128), c(128), 4));
        t.push(conv("deconv3_1", c(128) + c(256), c(64), 3, 3));
        t.push(deconv("deconv3_2", "conv", c(64), c(64), 3));
        t.push(conv("deconv2_1", c(64) + c(128), c(32), 3, 2));
        t.push(deconv("deconv2_2", "conv", c(32), c(32), 2));
        t.push(deconv("deconv1", "conv", c(32) + c(64), c(64), 1));
        t.push(Layer { name: "pred1_contour".into(), norm: None, bias: true, ..conv("", c(64), 1, 5, 0) });
        t.push(conv("featureEnhance5", c(256), c(128), 7, 4));
        t.push(conv("featureEnhance4", c(128), c(64), 7, 3));
        t.push(conv("featureEnhance3", c(64), c(32), 7, 2));
        t.push(conv("featureEnhance2", c(32), c(16), 7, 1));
    }
    let guide = |channels: usize| if model.gradient_decoder { channels } else { 0 };
    // IdecN, from 1/32 to the image
    let a = |path: &str, cin, cout, k| conv(&format!("featureExtractionA.{path}"), cin, cout, k, 5);
    t.push(a("path1.0", c(256), c(96), 1));
    t.push(a("path1.1", c(96), c(192), 7));
    t.push(a("path2", c(256), c(192), 3));
    t.push(a("path3.0", c(256), c(256), 1));
    t.push(a("path3.1", c(256), c(256), 3));
    t.push(a("path3.2", c(256), c(192), 3));
    let from_a = 3 * c(192);
    let b = |path: &str, cin, cout, k| conv(&format!("featureExtractionB.{path}"), cin, cout, k, 3);
    let into_b = 3 * c(128) + c(256) + guide(c(64));
    for (path, out, k) in [("path1", c(192), 7), ("path2", c(192), 3), ("path3", c(128), 3)] {
        t.push(b(&format!("{path}.0"), into_b, c(128), 1));
        t.push(b(&format!("{path}.1"), c(128), out, k));
    }
    t.push(b("path4.0", into_b, c(128), 1));
    t.push(b("path4.1", c(128), c(128), 3));
    t.push(b("path4.2", c(128), c(128), 3));
    let from_b = 2 * c(192) + 2 * c(128);
    // Three parallel sub-layers are one layer three times as wide; shared, one layer whose output is repeated.
    let wide = |channels: usize| if model.branches == Branches::Independent { 3 * channels } else { channels };
    for (name, cin, cout, scale) in [
        ("deconv0R", from_a, c(256), 5),
        ("deconv1R", 3 * c(256) + c(512) + guide(c(128)), c(128), 4),
        ("deconv2R", from_b, c(64), 3),
        ("deconv3R", 3 * c(64) + c(128) + guide(c(32)), c(32), 2),
        ("deconv4R", 3 * c(32) + c(64) + guide(c(16)), c(16), 1),
    ] {
        t.push(deconv(&format!("{name}.0"), "transconv", cin, wide(cout), scale));
    }
    t.push(conv("output.0", 3 * c(16) + guide(1), c(16), 3, 0));
    t.push(conv("output.1", c(16), 3, 3, 0));
    t
}

/// The network that a state_dict's shapes are of; none where it holds no encoder and decoder of this one. What the last
/// layer gives, no shape says: B.
pub fn model_of(tensors: &Tensors) -> Option<Model> {
    let dims = |name: &str| Some(tensors.get(name)?.dims().to_vec());
    let width = width_of(&dims)?;
    if !(1.0 / 64.0..=1.0).contains(&width) {
        return None;
    }
    let [_, first, ..] = dims("deconv0R.0.transconv.weight")?[..] else { return None };
    let branches = if first == scaled(256, width) { Branches::Shared } else { Branches::Independent };
    let gradient_decoder = tensors.contains_key("conv6_1.conv.weight");
    Some(Model { width, branches, gradient_decoder, ..Model::default() })
}

/// A width whose rounded channel counts are those of a state_dict, by names its tensors' dimensions: what the widest layer of
/// the encoder says, where that is right for all. Else one in the middle of what is: a count of n out of c leaves (n - 1/2) / c to
/// (n + 1/2) / c, and every layer narrows that down.
fn width_of(dims: &impl Fn(&str) -> Option<Vec<usize>>) -> Option<f64> {
    let widest = *dims("convs5R.0.weight")?.first()? as f64 / 512.0;
    let whole = layers(&Model { branches: Branches::Shared, ..Model::default() });
    // The last layers have as many channels at any width, and transposed ones may be three in one.
    let scaling = whole.iter().filter(|layer| layer.cout > 3 && layer.kind != Kind::Deconv);
    let counts = scaling.filter_map(|l| Some((l.cout, *dims(&format!("{}.weight", l.name))?.first()?)));
    let counts: Vec<(usize, usize)> = counts.collect();
    if counts.iter().all(|(c, n)| scaled(*c, widest) == *n) {
        return Some(widest);
    }
    let (mut low, mut high) = (0.0f64, f64::INFINITY);
    for (c, n) in counts {
        let (c, n) = (c as f64, n as f64);
        // One channel is left at any width.
        low = low.max(if n > 1.0 { (n - 0.5) / c } else { 0.0 });
        high = high.min((n + 0.5) / c);
    }
    Some((low + high) / 2.0)
}

/// A bias-free convolution, batch norm and ReLU.
fn conv(block: &str, cin: usize, cout: usize, kernel: usize, scale: u32) -> Layer {
    Layer {
        name: format!("{block}.conv"),
        norm: Some(format!("{block}.bn")),
        eps: EPS,
        bias: false,
        kind: Kind::Conv(kernel),
        cin,
        cout,
        scale,
        pool: false,
    }
}

/// A bias-free transposed convolution, batch norm and ReLU; `inner` is the convolution's name in the block.
fn deconv(block: &str, inner: &str, cin: usize, cout: usize, scale: u32) -> Layer {
    Layer { name: format!("{block}.{inner}"), kind: Kind::Deconv, ..conv(block, cin, cout, 4, scale) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half channels are rounded, so that a width has no layer that tells it alone.
    #[test]
    fn shapes_say_every_width() {
        let widths = (2..=100).map(|k| f64::from(k) / 100.0).chain([1.0 / 3.0, 2.0 / 3.0, 1.0 / 64.0, 3.0 / 16.0]);
        for width in widths {
            for (branches, gradient_decoder) in
                [(Branches::Shared, true), (Branches::Independent, true), (Branches::Independent, false)]
            {
                let there = layers(&Model { width, branches, gradient_decoder, ..Model::default() });
                let dims = |name: &str| {
                    let layer = there.iter().find(|layer| name.strip_suffix(".weight") == Some(&layer.name))?;
                    Some(layer.weight_dims().to_vec())
                };
                let found = width_of(&dims).unwrap();
                let again = layers(&Model { width: found, branches, gradient_decoder, ..Model::default() });
                assert_eq!(again, there, "{width} was taken for {found}");
            }
        }
    }
}
