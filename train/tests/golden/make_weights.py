"""Writes files of torch.save beside this file, for the tests of their reader.

    pip install torch safetensors
    python make_weights.py

tensors.pth and tensors-older.pth hold one state_dict in both formats, tensors.safetensors what is to be read of it;
vgg16_bn.pth is laid out as torchvision's file of that name, which is in the older format, at 1/64 of its width.
"""
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

here = Path(__file__).parent
torch.manual_seed(5)

base = torch.randn(6, 4)
state = OrderedDict(
    {
        "module.float": torch.randn(2, 3, 3),
        "module.double": torch.randn(3, dtype=torch.float64),
        "module.half": torch.randn(5).half(),
        "module.bfloat": torch.randn(5).bfloat16(),
        "module.parameter": torch.nn.Parameter(torch.randn(4)),
        "module.rows": base[1:3],
        "module.columns": base[:, 2],
        "module.transposed": base.t(),
        "module.channels_last": torch.randn(2, 3, 2, 2).contiguous(memory_format=torch.channels_last),
        "module.scalar": torch.tensor(3.5),
        "module.empty": torch.zeros(0, 3),
        "module.bn.num_batches_tracked": torch.tensor(7),
    }
)
state._metadata = OrderedDict({"": {"version": 1}})
# As training scripts save: the network among other things, some of which are no tensors.
whole = {"epoch": 12, "state_dict": state, "optimizer": {"lr": 1e-4, "big": 1 << 70}, "args": ("a", None, True)}
torch.save(whole, here / "tensors.pth")
torch.save(state, here / "tensors-older.pth", _use_new_zipfile_serialization=False)
expected = {k.removeprefix("module."): v.detach() for k, v in state.items() if "num_batches" not in k}
to = lambda v: v if v.dtype == torch.float64 else v.float()
save_file({k: to(v).contiguous().clone() for k, v in expected.items()}, here / "tensors.safetensors")

layers, cin = [], 3
for channels, convolutions in [(1, 2), (2, 2), (4, 3), (8, 3), (8, 3)]:
    for _ in range(convolutions):
        layers += [torch.nn.Conv2d(cin, channels, 3, padding=1), torch.nn.BatchNorm2d(channels), torch.nn.ReLU()]
        cin = channels
    layers.append(torch.nn.MaxPool2d(2))
vgg = torch.nn.Module()
vgg.features = torch.nn.Sequential(*layers)
vgg.classifier = torch.nn.Sequential(torch.nn.Linear(8, 2))
for module in vgg.features:
    if isinstance(module, torch.nn.BatchNorm2d):
        torch.nn.init.uniform_(module.weight)
        module.running_mean.normal_()
        module.running_var.uniform_()
state = vgg.state_dict()
torch.save(state, here / "vgg16_bn.pth", _use_new_zipfile_serialization=False)
save_file({k: v for k, v in state.items() if "num_batches" not in k}, here / "vgg16_bn.safetensors")
