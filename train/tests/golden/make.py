"""Writes ops.safetensors beside this file: PyTorch's numbers, in float64, for the operations' tests.

    pip install torch safetensors
    python make.py

A small set that travels with the code.  For each case NAME: NAME.x0, NAME.x1 .. inputs, NAME.y the result, NAME.gy the
gradient handed to it, NAME.g0, NAME.g1 .. the gradients of the inputs.  For each optimiser NAME: NAME.p the start,
NAME.g the gradients of all steps, NAME.after the parameters after each step, NAME.exp_avg and NAME.exp_avg_sq the
moments after the last.
"""
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(20)
torch.set_default_dtype(torch.float64)
out = {}


def case(name, function, *inputs):
    inputs = [x.clone().requires_grad_() for x in inputs]
    y = function(*inputs)
    gy = torch.randn(y.shape)
    y.backward(gy)
    out.update({f"{name}.y": y.detach(), f"{name}.gy": gy})
    for i, x in enumerate(inputs):
        out.update({f"{name}.x{i}": x.detach(), f"{name}.g{i}": x.grad})


def optimiser(name, make):
    start, gradients, after = torch.randn(7), torch.randn(6, 7), []
    p = start.clone().requires_grad_()
    opt = make([p])
    for g in gradients:
        p.grad = g.clone()
        opt.step()
        after.append(p.detach().clone())
    state = opt.state[p]
    out.update({f"{name}.p": start, f"{name}.g": gradients, f"{name}.after": torch.stack(after)})
    out.update({f"{name}.exp_avg": state["exp_avg"], f"{name}.exp_avg_sq": state["exp_avg_sq"]})


r = torch.randn
case("conv1x1", F.conv2d, r(2, 5, 3, 4), r(3, 5, 1, 1))
case("conv3x3", lambda x, w: F.conv2d(x, w, padding=1), r(2, 3, 5, 7), r(4, 3, 3, 3))
case("conv3x3_bias", lambda x, w, b: F.conv2d(x, w, b, padding=1), r(1, 3, 6, 5), r(4, 3, 3, 3), r(4))
case("conv5x5", lambda x, w: F.conv2d(x, w, padding=2), r(1, 2, 4, 5), r(3, 2, 5, 5))
case("conv7x7", lambda x, w: F.conv2d(x, w, padding=3), r(2, 3, 4, 5), r(2, 3, 7, 7))
case("conv_transpose4x4s2", lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1), r(2, 3, 3, 5), r(3, 2, 4, 4))
case("max_pool2x2", lambda x: F.max_pool2d(x, 2), r(2, 2, 5, 7))
case("max_pool2x2_ties", lambda x: F.max_pool2d(x, 2), torch.randint(0, 3, (2, 2, 6, 6)).double())
case("relu_zero", F.relu, torch.tensor([-1.0, 0.0, 0.0, 2.0]))
case("abs_zero", torch.abs, torch.tensor([-1.0, 0.0, 0.0, 2.0]))
case("sigmoid", torch.sigmoid, r(2, 1, 3, 4) * 4)
case("batch_norm_train", lambda x, w, b: F.batch_norm(x, None, None, w, b, True, 0.1, 1e-3), r(3, 4, 3, 5) * 2 + 1, r(4), r(4))
case("batch_norm_relu_train", lambda x, w, b: F.relu(F.batch_norm(x, None, None, w, b, True, 0.1, 1e-3)), r(2, 4, 3, 5), r(4), r(4))
mean, var = r(4), torch.rand(4) + 0.5
case("batch_norm_relu_eval", lambda x, w, b: F.relu(F.batch_norm(x, mean, var, w, b, False, 0.1, 1e-3)), r(2, 4, 3, 5), r(4), r(4))
out.update({"batch_norm_relu_eval.mean": mean, "batch_norm_relu_eval.var": var})
optimiser("adam", lambda p: torch.optim.Adam(p, lr=1e-2))
optimiser("adam_decay", lambda p: torch.optim.Adam(p, lr=1e-2, betas=(0.8, 0.99), weight_decay=0.1))
optimiser("adamw", lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1))
save_file({k: v.contiguous() for k, v in out.items()}, Path(__file__).with_name("ops.safetensors"))
