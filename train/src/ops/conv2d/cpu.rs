//! Convolution on the CPU.

use candle_core::{CpuStorage, Layout, Result, Shape};

use super::Geometry;
use crate::ops::patches::{Patches, conv_taps};
use crate::ops::product;
use crate::ops::real::{Real, slice, stored};

type Stored<'a> = (&'a CpuStorage, &'a Layout);

fn patches<T>(d: Geometry, x: &[T]) -> Patches<'_, T> {
    let padding = d.padding as isize;
    let taps = conv_taps(d.c, d.kh, d.kw, padding, padding);
    let (out_h, out_w) = (d.out_h(), d.out_w());
    Patches { data: x, samples: d.n, planes: d.c, height: d.h, width: d.w, out_h, out_w, taps }
}

pub(super) fn forward<T: Real>(
    d: Geometry,
    x: Stored<'_>,
    w: Stored<'_>,
    bias: Option<Stored<'_>>,
) -> Result<(CpuStorage, Shape)> {
    let mut y = product::forward(slice::<T>(w.0, w.1)?, d.out, &patches(d, slice::<T>(x.0, x.1)?));
    if let Some((bias, layout)) = bias {
        let bias = slice::<T>(bias, layout)?;
        for (i, plane) in y.chunks_mut((d.out_h() * d.out_w()).max(1)).enumerate() {
            let b = bias[i % d.out];
            plane.iter_mut().for_each(|v| *v += b);
        }
    }
    Ok(stored(y, (d.n, d.out, d.out_h(), d.out_w())))
}

/// The gradient of x is the convolution of `g` with the filters turned by 180 degrees, input and output exchanged.
pub(super) fn input_gradient<T: Real>(d: Geometry, g: Stored<'_>, w: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let w = slice::<T>(w.0, w.1)?;
    let area = d.kh * d.kw;
    let mut turned = vec![T::ZERO; w.len()];
    for i in 0..d.c {
        for o in 0..d.out {
            let (from, to) = (&w[(o * d.c + i) * area..][..area], &mut turned[(i * d.out + o) * area..][..area]);
            to.iter_mut().zip(from.iter().rev()).for_each(|(t, f)| *t = *f);
        }
    }
    let (pad_y, pad_x) = ((d.kh - 1) as isize - d.padding as isize, (d.kw - 1) as isize - d.padding as isize);
    let patches = Patches {
        data: slice::<T>(g.0, g.1)?,
        samples: d.n,
        planes: d.out,
        height: d.out_h(),
        width: d.out_w(),
        out_h: d.h,
        out_w: d.w,
        taps: conv_taps(d.out, d.kh, d.kw, pad_y, pad_x),
    };
    Ok(stored(product::forward(&turned, d.c, &patches), (d.n, d.c, d.h, d.w)))
}

pub(super) fn filter_gradient<T: Real>(d: Geometry, g: Stored<'_>, x: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let gw = product::filter_gradient(slice::<T>(g.0, g.1)?, d.out, &patches(d, slice::<T>(x.0, x.1)?));
    Ok(stored(gw, (d.out, d.c, d.kh, d.kw)))
}
