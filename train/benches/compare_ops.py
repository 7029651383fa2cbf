"""Runs the bench `ops` and PyTorch on the same operations in turn and prints the ratios of medians.

    python train/benches/compare_ops.py [--threads 2] [--filter TEXT] [--rounds 3] [--cpu]
        [--device cuda --batch 16] [--program PATH]

Above 1 means slower than PyTorch.  On a machine that other
programs use, --cpu with --threads 1 compares processor time instead of the wall clock.
--device cuda compares on the first GPU, whose convolutions are cuDNN's own on PyTorch's side (f32 without TF32);
--program is the bench's program where cargo is not to build it.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import time

import torch
import torch.nn.functional as F

p = argparse.ArgumentParser()
p.add_argument("--threads", type=int, default=2)
p.add_argument("--filter", default="")
p.add_argument("--rounds", type=int, default=3)
p.add_argument("--cpu", action="store_true")
p.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
p.add_argument("--batch", type=int, default=2)
p.add_argument("--program")
a = p.parse_args()
torch.set_num_threads(a.threads)
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
torch.backends.cudnn.benchmark = True
torch.set_default_device(a.device)
BATCH = a.batch


def now():
    if a.device == "cuda":
        torch.cuda.synchronize()
    return time.process_time() if a.cpu else time.perf_counter()


def window():
    g = torch.exp(-((torch.arange(11.0) - 5) ** 2) / 4.5)
    g = g / g.sum()
    return (g[:, None] * g[None, :]).expand(3, 1, 11, 11).contiguous()


def ssim(x, y, w=window()):
    f = lambda t: F.conv2d(t, w, padding=5, groups=3)
    mx, my = f(x), f(y)
    vx, vy, cov = f(x * x) - mx * mx, f(y * y) - my * my, f(x * y) - mx * my
    return (((2 * mx * my + 1e-4) * (2 * cov + 9e-4)) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))).mean()


def spectral(x, y):
    w = torch.arange(97.0) / 8
    (cx, sx), (cy, sy) = ((torch.cos(t).mean(2), torch.sin(t).mean(2)) for t in (w[:, None] * z[:, None] for z in (x, y)))
    return (torch.exp(-w * w / 8) * ((cx - cy) ** 2 + (sx - sy) ** 2)).sum(1).mean()


def statistic(x, y):
    total = 0
    for dim in (3, 2):
        d = [torch.diff(z.mean(1, keepdim=True), dim=dim).flatten(1) for z in (x, y)]
        u, v = (t.softmax(1) * t.shape[1] - 1 for t in d)
        total = total + spectral(u / v.detach().std(), v / v.detach().std())
    return total


def peer(name):
    """PyTorch's function and inputs for an operation of the bench."""
    n = [int(v) for v in re.findall(r"\d+", name)]
    r = lambda *s: torch.randn(*s).requires_grad_()
    if name.startswith("conv"):
        k, _, c, out, h, w = n
        return lambda x, f: F.conv2d(x, f, padding=k // 2), [r(BATCH, c, h, w), r(out, c, k, k)]
    if name.startswith("transposed"):
        c, out, h, w = n
        return lambda x, f: F.conv_transpose2d(x, f, stride=2, padding=1), [r(BATCH, c, h, w), r(c, out, 4, 4)]
    if name.startswith("batch"):
        return lambda x, g, b: F.relu(F.batch_norm(x, None, None, g, b, True)), [r(BATCH, *n), r(n[0]), r(n[0])]
    if name.startswith("max"):
        return lambda x: F.max_pool2d(x, 2), [r(BATCH, *n)]
    if name.startswith("relu"):
        return F.relu, [r(BATCH, *n)]
    if name.startswith("ssim"):
        return lambda x, y: ssim(x.detach(), y), [r(BATCH, 3, *n), r(BATCH, 3, *n)]
    if name.startswith("statistic"):
        return lambda x, y: statistic(x, y.detach()), [r(BATCH, 3, *n), r(BATCH, 3, *n)]
    return None


def adam():
    v = torch.zeros(8, 1 << 20, requires_grad=True)
    v.grad = torch.ones_like(v)
    opt = torch.optim.Adam([v], fused=a.device == "cuda" or None)
    return lambda: opt.step()


def clock(f):
    t = now()
    out = f()
    return now() - t, out


def theirs(name, repeats=7):
    if name.startswith("adam"):
        step = adam()
        return statistics.median([clock(step)[0] for _ in range(repeats + 1)][1:]), 0
    function, inputs = peer(name)
    forward, backward = [], []
    for _ in range(repeats + 1):
        for x in inputs:
            x.grad = None
        t, y = clock(lambda: function(*inputs))
        forward.append(t)
        g = torch.ones_like(y)
        backward.append(clock(lambda: y.backward(g))[0])
    return statistics.median(forward[1:]), statistics.median(backward[1:])


env = os.environ | {"RAYON_NUM_THREADS": str(a.threads), "OPS_CLOCK": "cpu" if a.cpu else "wall", "OPS_BATCH": str(a.batch)}
env["OPS_DEVICE"] = "cuda:0" if a.device == "cuda" else "cpu"
program = [a.program] if a.program else ["cargo", "bench", "-q", "-p", "train", "--bench", "ops", "--"]
ours, peers = {}, {}
for _ in range(a.rounds):
    for line in subprocess.run([*program, a.filter], env=env, capture_output=True, text=True, check=True).stdout.splitlines():
        o = json.loads(line)
        ours.setdefault(o["op"], []).append((o["forward_s"], o["backward_s"]))
        peers.setdefault(o["op"], []).append(theirs(o["op"]))
print(f"{'operation':32} {'ours ms':>16} {'PyTorch ms':>16} {'ratio f':>8} {'ratio b':>8} {'both':>8}  (PyTorch {torch.__version__}, {f'{a.threads} threads' if a.device == 'cpu' else torch.cuda.get_device_name()})")
for name in ours:
    (f, b), (tf, tb) = (tuple(statistics.median(v) for v in zip(*d[name])) for d in (ours, peers))
    ratio = lambda ours, peer: f"{ours / peer:8.2f}" if peer else " " * 8
    print(f"{name:32} {f*1e3:7.2f} {b*1e3:8.2f} {tf*1e3:7.2f} {tb*1e3:8.2f} {ratio(f, tf)} {ratio(b, tb)} {ratio(f + b, tf + tb)}")
