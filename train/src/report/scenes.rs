//! Pictures before and after: mixture and background under one slider, reflections, and the gradient maps.

use candle_core::{DType, Device};
use image::RgbImage;
use maud::{Markup, html};

use super::{page::figure, picture};
use crate::{
    Error, data,
    eval::{Image, Known, Pictures, Scored, separate},
    metrics::{Profile, Score},
    net::Corrn,
    ops,
};

/// The pictures on which a network gains most in SSIM and those on which it loses most, `each` of both.
pub(crate) fn best_and_worst(scored: &Scored, each: usize) -> Vec<usize> {
    let Some(output) = &scored.output else { return Vec::new() };
    let gain = |i: usize| output.images()[i].score.ssim - scored.input.images()[i].score.ssim;
    let mut order: Vec<usize> = (0..output.images().len()).collect();
    order.sort_by(|a, b| gain(*b).total_cmp(&gain(*a)));
    if order.len() > 2 * each {
        order.drain(each..order.len() - each);
    }
    order
}

/// A row for each of some pictures.
///
/// # Errors
/// Pictures that cannot be read any more.
pub(crate) fn rows(
    net: &Corrn,
    known: &Known,
    scored: &Scored,
    profile: Profile,
    which: &[usize],
    device: &Device,
) -> Result<Markup, Error> {
    let Some(output) = &scored.output else { return Ok(html! {}) };
    let rows: Vec<Markup> = which
        .iter()
        .map(|i| {
            let pictures = known.read(*i, profile, None)?;
            row(net, &pictures, &scored.input.images()[*i], &output.images()[*i], device)
        })
        .collect::<Result<_, Error>>()?;
    Ok(html! {
        p.note { "From the largest gain in SSIM to the largest loss. Move the slider from the mixture to the network's background." }
        @for row in &rows { (row) }
    })
}

fn row(net: &Corrn, pictures: &Pictures, input: &Image, output: &Image, device: &Device) -> Result<Markup, Error> {
    let found = separate(net, &pictures.mixture, device)?;
    let score = |s: &Score| {
        let psnr = s.psnr.map_or_else(|| "infinite".to_owned(), |v| format!("{v:.2} dB"));
        format!("SSIM {:.3}, PSNR {psnr}", s.ssim)
    };
    let plain = |p: &RgbImage, alt: &str, caption: &str| -> Result<Markup, Error> {
        Ok(figure(&picture::png(p)?, alt, html! { b { (caption) } }))
    };
    let true_gradient = if found.gradient.is_some() { Some(gradient_of(&pictures.background)?) } else { None };
    Ok(html! {
        div.row.six {
            figure {
                div.slider {
                    div.pictures {
                        img src=(picture::png(&pictures.mixture)?) alt="mixture";
                        img.over src=(picture::png(&found.background)?) alt="the network's background";
                    }
                    input type="range" min="0" max="100" value="50" aria-label="from mixture to background"
                        oninput="this.parentNode.style.setProperty('--at', this.value + '%')";
                }
                figcaption {
                    b { (output.name) } br; "B, network: " (score(&output.score)) br; "I: " (score(&input.score))
                }
            }
            (plain(&pictures.background, "the true background", "B, truth")?)
            (plain(&found.reflection, "the network's reflection", "R, network")?)
            @if let Some(r) = &pictures.reflection { (plain(r, "the true reflection", "R, truth")?) }
            @if let Some(g) = &found.gradient { (plain(g, "the network's gradient", "gradient of B, network")?) }
            @if let Some(g) = &true_gradient { (plain(g, "the true gradient", "gradient of B, truth")?) }
        }
    })
}

/// What the gradient decoder is trained towards.
fn gradient_of(background: &RgbImage) -> Result<RgbImage, Error> {
    let tensor = data::to_tensor(std::slice::from_ref(background), DType::F32, &Device::Cpu)?;
    data::to_picture(&ops::sobel_magnitude(&tensor)?)
}
