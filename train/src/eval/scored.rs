//! The scores of a network, or of the unprocessed input, on pictures whose background is known.

use candle_core::{DType, Device};
use image::RgbImage;

use super::{
    known::Known,
    table::{Image, Table},
};
use crate::{
    Error, data,
    metrics::{Compared, Profile, Rescale},
    net::{Corrn, Pass},
    progress,
};

/// How pictures are scored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    /// The convention.
    pub(crate) profile: Profile,
    /// A factor on the output's colours.
    pub(crate) rescale: Rescale,
    /// Where a picture has no mask, the level of its reflection that makes a region.
    pub(crate) region: Option<f64>,
}

/// Scores of all pictures.
#[derive(Debug)]
pub(crate) struct Scored {
    /// The network's; none where the input alone was scored.
    pub(crate) output: Option<Table>,
    /// The unprocessed input's.
    pub(crate) input: Table,
    /// How gradients are distributed.
    pub(crate) gradients: Compared,
}

impl Scored {
    /// Scores the network's B, and the mixture beside it; the mixture alone without a network.
    ///
    /// # Errors
    /// Pictures that cannot be read, outputs that are not numbers.
    pub(crate) fn of(net: Option<&Corrn>, known: &Known, how: How, device: &Device) -> Result<Self, Error> {
        let mut progress = progress::count("scoring", "pictures", known.len());
        // What is scored is rescaled; an input beside it, to compare with, is not.
        let beside = if net.is_some() { Rescale::No } else { how.rescale };
        let mut output = net.map(|_| Table::new(how.profile, how.rescale));
        let (mut input, mut gradients) = (Table::new(how.profile, beside), Compared::default());
        for i in 0..known.len() {
            let pictures = known.read(i, how.profile, how.region)?;
            let truth = &pictures.background;
            let (name, subset, aperture) = known.place(i);
            let score = |picture: &RgbImage| Image {
                name: name.clone(),
                subset: subset.clone(),
                aperture: aperture.clone(),
                size: [picture.height(), picture.width()],
                score: how.profile.score(picture, truth, pictures.region.as_ref()),
            };
            let compared = beside.apply(pictures.mixture.clone(), truth);
            input.push(score(&compared));
            if let (Some(net), Some(output)) = (net, &mut output) {
                let found = how.rescale.apply(separate(net, &pictures.mixture, device)?.background, truth);
                output.push(score(&found));
                gradients.add(&found, truth, &compared);
            } else {
                gradients.add(&compared, truth, &compared);
            }
            progress.step();
        }
        Ok(Self { output, input, gradients })
    }

    /// What was asked for: the network's scores, or the input's.
    pub(crate) fn main(&self) -> &Table {
        self.output.as_ref().unwrap_or(&self.input)
    }

    /// The input's, where it stands beside a network's.
    pub(crate) fn beside(&self) -> Option<&Table> {
        self.output.as_ref().map(|_| &self.input)
    }
}

/// What a network makes of a picture, at its size.
#[derive(Debug, Clone)]
pub struct Separated {
    /// B.
    pub background: RgbImage,
    /// R.
    pub reflection: RgbImage,
    /// The gradient of B, grey; none of a network without the gradient decoder.
    pub gradient: Option<RgbImage>,
}

/// Applies a network to a picture of any size.
///
/// # Errors
/// What Candle answers.
pub fn separate(net: &Corrn, picture: &RgbImage, device: &Device) -> Result<Separated, Error> {
    let (w, h) = picture.dimensions();
    let x = data::to_tensor(std::slice::from_ref(picture), DType::F32, device)?;
    let out = net.forward(&data::pad_to_multiple(&x)?, Pass::eval())?;
    let crop = |t: &candle_core::Tensor| -> Result<RgbImage, Error> {
        data::to_picture(&t.narrow(2, 0, h as usize)?.narrow(3, 0, w as usize)?)
    };
    Ok(Separated {
        background: crop(&out.background)?,
        reflection: crop(&out.reflection)?,
        gradient: out.gradient.as_ref().map(crop).transpose()?,
    })
}
