"""Writes scores.json beside this file: scores of two made pictures by numpy and scipy, in float64.

    pip install numpy scipy
    python make_scores.py

LMSE and NCC are written as ERRNet's evaluation defines them (windows of 20 pixels every 10, each with its own factor); SSIM
and SI over the pixels of a mask are means of the maps whose means over the picture are the paper's SSIM and SI.
"""
import json
from pathlib import Path

import numpy as np
from scipy.ndimage import correlate1d

HEIGHT, WIDTH = 63, 87
y, x, c = np.meshgrid(np.arange(HEIGHT), np.arange(WIDTH), np.arange(3), indexing="ij")
truth = ((x * x // 9 + y * 3 + c * 40 + x * y // 7) % 256).astype(float)
estimate = ((truth * 5 // 6 + (x * y + c * 11) % 37) // 1).clip(0, 255)
inside = (x[..., 0] - 40) ** 2 + (y[..., 0] - 30) ** 2 < 500


def lmse(t, e, window=20, shift=10):
    error = total = 0.0
    for k in range(3):
        for i in range(0, HEIGHT - window + 1, shift):
            for j in range(0, WIDTH - window + 1, shift):
                a, b = t[i : i + window, j : j + window, k], e[i : i + window, j : j + window, k]
                factor = (a * b).sum() / (b**2).sum() if (b**2).sum() > 1e-5 else 0.0
                error += ((a - factor * b) ** 2).sum()
                total += (a**2).sum()
    return error / total


def maps(a, b):
    g = np.exp(-((np.arange(11.0) - 5) ** 2) / 4.5)
    g /= g.sum()
    f = lambda t: correlate1d(correlate1d(t, g, 0, mode="constant"), g, 1, mode="constant")
    a, b = a / 255, b / 255
    ma, mb = f(a), f(b)
    va, vb, cov = f(a * a) - ma * ma, f(b * b) - mb * mb, f(a * b) - ma * mb
    si = (2 * cov + 9e-4) / (va + vb + 9e-4)
    return (2 * ma * mb + 1e-4) / (ma * ma + mb * mb + 1e-4) * si, si


ssim, si = maps(estimate, truth)
factor = (estimate * truth).sum() / (estimate**2).sum()
rescaled = np.floor(estimate * factor + 0.5).clip(0, 255)
scores = {
    "lmse": lmse(truth, estimate),
    "ncc": np.corrcoef(truth.ravel(), estimate.ravel())[0, 1],
    "ssim": ssim.mean(),
    "si": si.mean(),
    "ssim_r": ssim[inside].mean(),
    "si_r": si[inside].mean(),
    "pixels": int(inside.sum()),
    "rescaled_psnr": 10 * np.log10(255**2 / ((rescaled - truth) ** 2).mean()),
    "rescaled_1.1_psnr": 10 * np.log10(255**2 / ((np.floor(estimate * 1.1 + 0.5).clip(0, 255) - truth) ** 2).mean()),
}
(Path(__file__).parent / "scores.json").write_text(json.dumps(scores, indent=1) + "\n")
print(scores)
