"""The network: a truncated EfficientNet-Lite0 that ends in a feature map.

Only the first 11 of 16 blocks are kept (a sixteenth of the input's side), followed
by a 1x1 bottleneck. The result is F [N, 128, 10, 10], bounded by ReLU6; global
average pooling and the linear head are applied outside the exported graph.
"""

import torch
import torch.nn.functional as F
from torch import nn

CHANNELS = 128
# Side of the feature map, for an input of side 160.
GRID = 10

# (expansion, kernel, stride, in, out) of the kept blocks of EfficientNet-Lite0.
BLOCKS = [
    (1, 3, 1, 32, 16),
    (6, 3, 2, 16, 24), (6, 3, 1, 24, 24),
    (6, 5, 2, 24, 40), (6, 5, 1, 40, 40),
    (6, 3, 2, 40, 80), (6, 3, 1, 80, 80), (6, 3, 1, 80, 80),
    (6, 5, 1, 80, 112), (6, 5, 1, 112, 112), (6, 5, 1, 112, 112),
]


def same_padding(kernel, stride):
    """TensorFlow SAME padding (before, after) for an even input side."""
    total = kernel - stride
    return total // 2, total - total // 2


class ConvBn(nn.Module):
    """Convolution, batch norm and, where asked for, ReLU6."""

    def __init__(self, inp, out, kernel=1, stride=1, groups=1, act=True):
        super().__init__()
        self.kernel, self.stride, self.groups, self.act = kernel, stride, groups, act
        self.pads = same_padding(kernel, stride)
        self.conv = nn.Conv2d(inp, out, kernel, stride, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=1e-3, momentum=0.01)

    def forward(self, x):
        before, after = self.pads
        if before == after:
            x = F.conv2d(x, self.conv.weight, None, self.stride, before, 1, self.groups)
        else:
            x = self.conv(F.pad(x, (before, after, before, after)))
        x = self.bn(x)
        return F.relu6(x) if self.act else x

    def folded(self):
        """Weight and bias with the batch norm folded in (evaluation form)."""
        scale = self.bn.weight / torch.sqrt(self.bn.running_var + self.bn.eps)
        weight = self.conv.weight * scale[:, None, None, None]
        bias = self.bn.bias - self.bn.running_mean * scale
        return weight.detach().double().float().numpy(), bias.detach().float().numpy()


class Block(nn.Module):
    """Inverted residual block; `layers` are its ConvBn parts in order."""

    def __init__(self, expand, kernel, stride, inp, out, drop=0.0):
        super().__init__()
        mid = inp * expand
        layers = [] if expand == 1 else [ConvBn(inp, mid)]
        layers.append(ConvBn(mid, mid, kernel, stride, groups=mid))
        layers.append(ConvBn(mid, out, act=False))
        self.layers = nn.ModuleList(layers)
        self.skip = stride == 1 and inp == out
        self.drop = drop

    def forward(self, x):
        y = x
        for layer in self.layers:
            y = layer(y)
        if not self.skip:
            return y
        if self.training and self.drop > 0.0:
            keep = (torch.rand(y.shape[0], 1, 1, 1) >= self.drop).to(y.dtype)
            y = y * keep / (1.0 - self.drop)
        return x + y


class Backbone(nn.Module):
    """Graph input [N,1,H,W] to feature map [N,C,H/16,W/16]."""

    def __init__(self, drop=0.0):
        super().__init__()
        self.stem = ConvBn(1, 32, 3, 2)
        last = len(BLOCKS) - 1
        self.blocks = nn.ModuleList(
            Block(*spec, drop=drop * i / last) for i, spec in enumerate(BLOCKS)
        )
        self.neck = ConvBn(BLOCKS[-1][-1], CHANNELS)

    def forward(self, x, start=0):
        """With `start` > 0, `x` is what the first `start` blocks gave."""
        if start == 0:
            x = self.stem(x)
        for block in self.blocks[start:]:
            x = block(x)
        return self.neck(x)


class Classifier(nn.Module):
    """Backbone, pooling and linear head, as the product computes them."""

    def __init__(self, drop=0.0):
        super().__init__()
        self.backbone = Backbone(drop)
        self.head = nn.Linear(CHANNELS, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, x, start=0):
        """Returns the logit [N] and the class activation map [N,h,w]."""
        features = self.backbone(x, start)
        cam = F.conv2d(features, self.head.weight[:, :, None, None])[:, 0]
        return cam.mean((1, 2)) + self.head.bias, cam


def load_imagenet(model, path):
    """Copies the ImageNet weights of EfficientNet-Lite0 into `model`.

    The grey stem is the sum of the three colour kernels: the answer to a grey
    picture is unchanged.
    """
    source = torch.load(path, map_location="cpu", weights_only=True)

    def copy(layer, conv, bn):
        weight = source[f"{conv}.weight"]
        if layer.conv.weight.shape[1] == 1 and layer.groups == 1:
            weight = weight.sum(1, keepdim=True)
        layer.conv.weight.data.copy_(weight)
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(layer.bn, name).data.copy_(source[f"{bn}.{name}"])

    copy(model.backbone.stem, "_conv_stem", "_bn0")
    for i, block in enumerate(model.backbone.blocks):
        names = [("_expand_conv", "_bn0")] if len(block.layers) == 3 else []
        names += [("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        for layer, (conv, bn) in zip(block.layers, names, strict=True):
            copy(layer, f"_blocks.{i}.{conv}", f"_blocks.{i}.{bn}")
