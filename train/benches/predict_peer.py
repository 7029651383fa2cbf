"""The peer of `cargo bench -p train --bench programs`: PyTorch applies the same network to the same pictures.

    python train/benches/predict_peer.py REFERENCE CHECKPOINT INPUT OUT [--threads 2]

REFERENCE is a folder with corrn_reference.py, which defines CoRRN(width, shared_branches); CHECKPOINT a state_dict in
safetensors of full width with independent branches, INPUT a folder of PNGs.  Reads, applies, writes B and R, and prints a JSON
line with the seconds from the first picture to the last.
"""
import argparse
import json
import pathlib
import sys
import time

import numpy
import torch
from PIL import Image
from safetensors.torch import load_file

p = argparse.ArgumentParser()
for name in ("reference", "checkpoint", "input", "out"):
    p.add_argument(name, type=pathlib.Path)
p.add_argument("--threads", type=int, default=2)
a = p.parse_args()
sys.path.insert(0, str(a.reference))
from corrn_reference import CoRRN  # noqa: E402

torch.set_num_threads(a.threads)
net = CoRRN(width=1.0, shared_branches=False).eval()
net.load_state_dict(load_file(a.checkpoint), strict=False)
a.out.mkdir(parents=True, exist_ok=True)


def save(picture, path):
    array = (picture[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(array).save(path)


pictures = sorted(a.input.glob("*.png"))
began = time.perf_counter()
with torch.inference_mode():
    for path in pictures:
        array = numpy.asarray(Image.open(path).convert("RGB"), dtype=numpy.float32) / 255
        image = torch.from_numpy(array).permute(2, 0, 1)[None].contiguous()
        background, reflection, _ = net(image)
        save(background, a.out / f"{path.stem}.background.png")
        save(reflection, a.out / f"{path.stem}.reflection.png")
print(json.dumps({"seconds": time.perf_counter() - began, "pictures": len(pictures), "peer": f"pytorch {torch.__version__}"}))
