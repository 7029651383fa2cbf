//! The loss (eq. 12), weighed and summed:
//!
//! L = (1 - SSIM(B)) + 0.6 SL(B) + 0.5 L1(B) + (1 - SSIM(R)) + 0.6 SL(R) + (1 - SI(grad B))
//!
//! Each term has its own file; what a run leaves out (Table 3) is not computed.

mod gradient;
mod l1;
mod ssim;
mod statistic;

use candle_core::{Result, Tensor};
use manifests::run::Loss;

use crate::net::Output;

/// Weight of SL(B), gamma in eq. 12.
const GAMMA: f64 = 0.6;
/// Weight of L1(B), delta in eq. 12.
const DELTA: f64 = 0.5;
/// Weight of SL(R), epsilon in eq. 12.
const EPSILON: f64 = 0.6;

/// The loss and its terms, unweighted: scalars on the tape. A term that does not count is none.
#[derive(Debug)]
pub struct Terms {
    /// The weighted sum.
    pub total: Tensor,
    /// 1 - SSIM(B).
    pub ssim_b: Option<Tensor>,
    /// SL(B).
    pub statistic_b: Option<Tensor>,
    /// L1(B).
    pub l1_b: Option<Tensor>,
    /// 1 - SSIM(R).
    pub ssim_r: Option<Tensor>,
    /// SL(R).
    pub statistic_r: Option<Tensor>,
    /// 1 - SI(grad B).
    pub si_gradient: Option<Tensor>,
}

/// The loss of a network's output against B and R, N x 3 x H x W in [0, 1].
///
/// # Errors
/// What Candle answers, for instance where shapes differ.
pub fn corrn(which: &Loss, out: &Output, b: &Tensor, r: &Tensor) -> Result<Terms> {
    let full = !which.l1_only;
    let statistic = full && which.statistic;
    let ssim_b = full.then(|| ssim::loss(&out.background, b)).transpose()?;
    let statistic_b = statistic.then(|| statistic::loss(&out.background, b)).transpose()?;
    let l1_b = Some(l1::loss(&out.background, b)?);
    let ssim_r = full.then(|| ssim::loss(&out.reflection, r)).transpose()?;
    let statistic_r = statistic.then(|| statistic::loss(&out.reflection, r)).transpose()?;
    let gradient = out.gradient.as_ref().filter(|_| full);
    let si_gradient = gradient.map(|g| gradient::loss(g, b)).transpose()?;

    let weighted = [
        (&ssim_b, 1.0),
        (&statistic_b, GAMMA),
        (&l1_b, if full { DELTA } else { 1.0 }),
        (&ssim_r, 1.0),
        (&statistic_r, EPSILON),
        (&si_gradient, 1.0),
    ];
    let mut total: Option<Tensor> = None;
    for (term, weight) in weighted {
        let Some(term) = term else { continue };
        let term = (term * weight)?;
        total = Some(match total {
            Some(sum) => (sum + term)?,
            None => term,
        });
    }
    let total = total.ok_or_else(|| candle_core::Error::Msg("a loss without terms".into()))?;
    Ok(Terms { total, ssim_b, statistic_b, l1_b, ssim_r, statistic_r, si_gradient })
}
