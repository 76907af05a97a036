"""EfficientAT's mn04 as a teacher: it hears the very crop that the student hears.

Schmid, Koutini, Widmer, "Efficient large-scale audio tagging via transformer-to-CNN knowledge distillation", ICASSP
2023; MIT licence. The weights are a file of the data folder and stay there: the student starts from random ones.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tagger.records import TaggerError

RATE_HZ, N_FFT, WIN_LENGTH, HOP_LENGTH = 16_000, 512, 400, 160
MEL_ROWS = 104
"""Of 128; the upper 24 stay at their floor at 16 kHz and are left out."""
WIDTH, CLASSES = 384, 527

_BLOCKS = (  # in, expanded, out, kernel, stride, squeezed (0: none), Hardswish
    (8, 8, 8, 3, 1, 0, False),
    (8, 24, 16, 3, 2, 0, False),
    (16, 32, 16, 3, 1, 0, False),
    (16, 32, 16, 5, 2, 8, False),
    (16, 48, 16, 5, 1, 16, False),
    (16, 48, 16, 5, 1, 16, False),
    (16, 96, 32, 3, 2, 0, True),
    (32, 80, 32, 3, 1, 0, True),
    (32, 72, 32, 3, 1, 0, True),
    (32, 72, 32, 3, 1, 0, True),
    (32, 192, 48, 3, 1, 48, True),
    (48, 272, 48, 3, 1, 72, True),
    (48, 272, 64, 5, 2, 72, True),
    (64, 384, 64, 5, 1, 96, True),
    (64, 384, 64, 5, 1, 96, True),
)


class Heard(NamedTuple):
    frames: Tensor  # (batch, frames, 384): the last layer's mean over frequency, one every .32 s
    logits: Tensor  # (batch, 527): AudioSet's classes


class Teacher(nn.Module):
    """Power spectra (batch, frames, 257) of hops of 10 ms to `Heard`."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv(weights, "features.0", 1, 8, 3, 2, activation=nn.Hardswish())]
        layers += [_Block(weights, f"features.{number}.block", *block) for number, block in enumerate(_BLOCKS, 1)]
        layers.append(_conv(weights, "features.16", 64, WIDTH, 1, 1, activation=nn.Hardswish()))
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            _linear(weights, "classifier.2", WIDTH, 512), nn.Hardswish(), _linear(weights, "classifier.5", 512, CLASSES)
        )
        self.register_buffer("filters", torch.from_numpy(mel_filters()))
        self.eval().requires_grad_(False)

    filters: Tensor

    def log_mel(self, power: Tensor) -> Tensor:
        return (torch.log(power @ self.filters + 1e-5) + 4.5) / 5

    def hear(self, log_mel: Tensor) -> Heard:
        """What it says of log-mel spectra, (batch, frames, rows)."""
        maps = self.layers(log_mel.transpose(1, 2).unsqueeze(1))  # (batch, 384, rows / 32, frames / 32)
        return Heard(frames=maps.mean(dim=2).transpose(1, 2), logits=self.classifier(maps.mean(dim=(2, 3))))

    def forward(self, power: Tensor) -> Heard:
        return self.hear(self.log_mel(power)[..., :MEL_ROWS])


def load(data: Path) -> Teacher:
    """Raises TaggerError where the weights are not there."""
    path = data / "pretrained" / "mn04.safetensors"
    if not path.exists():
        raise TaggerError(f"{path} is missing: distillation needs the teacher's weights")
    return Teacher(load_file(path))


def mel_filters() -> npt.NDArray[np.float32]:
    """(257, 128): Kaldi's triangles from 0 to 15,000 Hz, and the pre-emphasis at 32 kHz."""
    hz = np.arange(N_FFT // 2 + 1) * RATE_HZ / N_FFT
    mel = 1127 * np.log1p(hz / 700)
    edges = np.linspace(0, 1127 * math.log1p(15_000 / 700), 128 + 2)
    up = (mel[:, None] - edges[:-2]) / np.diff(edges)[:-1]
    down = (edges[2:] - mel[:, None]) / np.diff(edges)[1:]
    emphasis = 4 * np.abs(1 - 0.97 * np.exp(-2j * np.pi * hz / 32_000)) ** 2
    return np.asarray(np.clip(np.minimum(up, down), 0, None) * emphasis[:, None], dtype=np.float32)


class _Block(nn.Module):
    """An inverted residual: expand, depthwise, squeeze and excitation, project."""

    def __init__(
        self,
        weights: dict[str, Tensor],
        prefix: str,
        inputs: int,
        expanded: int,
        outputs: int,
        kernel: int,
        stride: int,
        squeezed: int,
        hardswish: bool,
    ) -> None:
        super().__init__()
        activation = nn.Hardswish() if hardswish else nn.ReLU()
        layers: list[nn.Module] = []
        if expanded != inputs:
            layers.append(_conv(weights, f"{prefix}.0", inputs, expanded, 1, 1, activation=activation))
        depthwise = _conv(
            weights, f"{prefix}.{len(layers)}", expanded, expanded, kernel, stride, expanded, activation=activation
        )
        layers.append(depthwise)
        if squeezed:
            layers.append(_Squeeze(weights, f"{prefix}.{len(layers)}.conc_se_layers.0", expanded, squeezed))
        layers.append(_conv(weights, f"{prefix}.{len(layers)}", expanded, outputs, 1, 1))
        self.layers = nn.Sequential(*layers)
        self.residual = inputs == outputs and stride == 1

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.layers(maps)
        return out + maps if self.residual else out


class _Squeeze(nn.Module):
    def __init__(self, weights: dict[str, Tensor], prefix: str, channels: int, squeezed: int) -> None:
        super().__init__()
        self.down = _linear(weights, f"{prefix}.fc1", channels, squeezed)
        self.up = _linear(weights, f"{prefix}.fc2", squeezed, channels)

    def forward(self, maps: Tensor) -> Tensor:
        scale = torch.sigmoid(self.up(torch.relu(self.down(maps.mean(dim=(2, 3))))))
        return maps * scale[:, :, None, None]


def _conv(
    weights: dict[str, Tensor],
    prefix: str,
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int,
    groups: int = 1,
    activation: nn.Module | None = None,
) -> nn.Sequential:
    """Convolution with its batch norm folded in, and an activation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
    conv.weight.data = weights[f"{prefix}.0.weight"]
    norm = nn.BatchNorm2d(outputs, eps=0.001)
    norm.load_state_dict(
        {name: weights[f"{prefix}.1.{name}"] for name in ("weight", "bias", "running_mean", "running_var")},
        strict=False,
    )
    return nn.Sequential(fuse_conv_bn_eval(conv.eval(), norm.eval()), *([activation] if activation else []))


def _linear(weights: dict[str, Tensor], prefix: str, inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    layer.load_state_dict({name: weights[f"{prefix}.{name}"] for name in ("weight", "bias")})
    return layer
