"""An encoder for each of mel, MFCC and chroma, fused twice: at feature level and at output level.

The branches' embeddings are concatenated for the joint head (feature-level fusion); each branch also answers by itself,
and the four answers are mixed with learned weights, one set a head (output-level fusion). The mel encoder is a plain
convolutional network that is trained to follow EfficientAT's mn04 frame by frame (Schmid, Koutini, Widmer, ICASSP 2023)
before any head sees a label.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tagger.analysis.features import FeatureSet

SOURCES = ("fused", "mel", "mfcc", "chroma")
"""Who answers, in the order of the output weights."""


class Answers(NamedTuple):
    """What the network says of each chunk; `outputs` per head: log-probabilities, or numbers in [0, 1]."""

    outputs: dict[str, Tensor]  # head -> (batch, n)
    sources: dict[str, Tensor]  # head -> (batch, source, n): each source's own answer, in the order of SOURCES
    embedding: Tensor  # (batch, hidden): the joint head's hidden layer


class MelEncoder(nn.Module):
    """(batch, frames, n_mels) -> (batch, frames / 16, width): one embedding every .32 s at hops of 20 ms."""

    def __init__(self, channels: tuple[int, ...], strides: tuple[int, ...], width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for (before, after), stride in zip(pairwise((1, *channels)), strides, strict=True):
            layers += [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        wide = 2 * channels[-1]
        layers += [nn.Conv2d(channels[-1], wide, 1, bias=False), nn.BatchNorm2d(wide), nn.Hardswish(inplace=True)]
        self.convolutions = nn.Sequential(*layers)
        self.project = nn.Linear(2 * wide, width)

    def forward(self, log_mel: Tensor) -> Tensor:
        maps = self.convolutions(log_mel.unsqueeze(1))  # (batch, channels, frames / 16, bands / 16)
        pooled = torch.cat((maps.mean(dim=3), maps.amax(dim=3)), dim=1)
        return torch.as_tensor(self.project(pooled.transpose(1, 2)))


class MfccEncoder(nn.Module):
    """(batch, frames, n_mfcc) -> (batch, frames / 8, width)."""

    def __init__(self, n_mfcc: int, width: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.BatchNorm1d(n_mfcc),
            *_conv1d(n_mfcc, width // 2, 5, 2),
            *_conv1d(width // 2, width // 2, 5, 2),
            *_conv1d(width // 2, width, 3, 2),
        )

    def forward(self, mfcc: Tensor) -> Tensor:
        return torch.as_tensor(self.convolutions(mfcc.transpose(1, 2)).transpose(1, 2))


class ChromaEncoder(nn.Module):
    """(batch, chroma frames, 12) -> (batch, chroma frames, width); convolutions go around the circle of classes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 16, 3, padding=(1, 0), bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(16, 32, 3, padding=(1, 0), bias=False), nn.BatchNorm2d(32), nn.ReLU())
        self.over_time = nn.Sequential(*_conv1d(64, width, 3, 1))

    def forward(self, chroma: Tensor) -> Tensor:
        maps = self.second(_around(self.first(_around(chroma.unsqueeze(1)))))  # (batch, 32, frames, 12)
        pooled = torch.cat((maps.mean(dim=3), maps.amax(dim=3)), dim=1)
        return torch.as_tensor(self.over_time(pooled).transpose(1, 2))


class LateFusion(nn.Module):
    """Kind "late-fusion". `softmax_heads` and `unit_heads` map a head's name to its number of outputs."""

    def __init__(
        self,
        *,
        softmax_heads: Mapping[str, int],
        unit_heads: Mapping[str, int],
        channels: tuple[int, ...] = (16, 32, 32, 64, 64, 128, 128),
        strides: tuple[int, ...] = (2, 2, 1, 2, 1, 2, 1),
        mel_width: int = 384,
        n_mfcc: int = 20,
        mfcc_width: int = 96,
        chroma_width: int = 64,
        hidden: int = 256,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.softmax_heads, self.unit_heads = dict(softmax_heads), dict(unit_heads)
        heads = {**softmax_heads, **unit_heads}
        self.mel = MelEncoder(tuple(channels), tuple(strides), mel_width)
        self.mfcc = MfccEncoder(n_mfcc, mfcc_width)
        self.chroma = ChromaEncoder(chroma_width)
        widths = {"mel": 2 * mel_width, "mfcc": 2 * mfcc_width, "chroma": 2 * chroma_width}
        self.joint = nn.Sequential(
            nn.LayerNorm(sum(widths.values())), nn.Dropout(dropout), nn.Linear(sum(widths.values()), hidden), nn.ReLU()
        )
        self.dropout = nn.Dropout(dropout)
        self.fused_heads = nn.ModuleDict({head: nn.Linear(hidden, n) for head, n in heads.items()})
        self.branch_norms = nn.ModuleDict({branch: nn.LayerNorm(width) for branch, width in widths.items()})
        self.branch_heads = nn.ModuleDict(
            {
                branch: nn.ModuleDict({head: nn.Linear(width, n) for head, n in heads.items()})
                for branch, width in widths.items()
            }
        )
        self.output_weights = nn.ParameterDict(
            {head: nn.Parameter(torch.tensor([2.0, 1.0, 0.0, 0.0])) for head in heads}
        )

    def forward(self, features: FeatureSet) -> Answers:
        return self.fuse(self.mel(features.log_mel), features.mfcc, features.chroma)

    def fuse(self, mel_frames: Tensor, mfcc: Tensor, chroma: Tensor) -> Answers:
        """The answers over the mel encoder's frames, (batch, frames, mel_width), and the other two inputs."""
        pooled = {
            "mel": _mean_and_deviation(mel_frames),
            "mfcc": _mean_and_deviation(self.mfcc(mfcc)),
            "chroma": _mean_and_deviation(self.chroma(chroma)),
        }
        embedding = self.joint(torch.cat(tuple(pooled.values()), dim=1))
        hidden = self.dropout(embedding)
        normed = {branch: self.dropout(self.branch_norms[branch](vector)) for branch, vector in pooled.items()}
        outputs: dict[str, Tensor] = {}
        sources: dict[str, Tensor] = {}
        for head, layer in self.fused_heads.items():
            raw = [layer(hidden), *(self._branch(branch, head)(vector) for branch, vector in normed.items())]
            sources[head] = self._scaled(head, torch.stack(raw, dim=1))
            outputs[head] = self._mixed(head, sources[head])
        return Answers(outputs, sources, embedding)

    def _branch(self, branch: str, head: str) -> nn.Module:
        heads = self.branch_heads[branch]
        assert isinstance(heads, nn.ModuleDict)
        return heads[head]

    def _scaled(self, head: str, raw: Tensor) -> Tensor:
        return functional.log_softmax(raw, dim=-1) if head in self.softmax_heads else torch.sigmoid(raw)

    def _mixed(self, head: str, answers: Tensor) -> Tensor:
        weights = torch.softmax(self.output_weights[head], dim=0)
        mixed = torch.einsum("s,bsn->bn", weights, answers)
        return functional.log_softmax(mixed, dim=-1) if head in self.softmax_heads else mixed


def _conv1d(before: int, after: int, kernel: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv1d(before, after, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm1d(after),
        nn.ReLU(inplace=True),
    ]


def _around(maps: Tensor) -> Tensor:
    """Pitch classes padded by their neighbours on the circle: B stands before C, C behind B."""
    return torch.cat((maps[..., -1:], maps, maps[..., :1]), dim=-1)


def _mean_and_deviation(frames: Tensor) -> Tensor:
    """(batch, frames, width) -> (batch, 2 * width); the deviation of a single frame is 0."""
    deviation = (frames.var(dim=1, unbiased=False) + 1e-6).sqrt()
    return torch.cat((frames.mean(dim=1), deviation), dim=1)


def multiply_adds(network: LateFusion, features: FeatureSet, seconds: float) -> dict[str, float]:
    """Multiply-adds a second of audio of each part with weights, counted over one real forward pass.

    The parts are the network's children: "mel", "mfcc", "chroma", "joint", ... `features` is a batch of one chunk of
    `seconds`; the features' own cost is not in the figures.
    """
    counted = dict.fromkeys((name for name, _ in network.named_children()), 0.0)

    def counter(part: str) -> Callable[[nn.Module, object, Tensor], None]:
        def count(module: nn.Module, _inputs: object, output: Tensor) -> None:
            weight = module.weight
            assert isinstance(weight, Tensor)
            places = output.numel() // output.shape[-1 if isinstance(module, nn.Linear) else 1]
            counted[part] += places * weight.numel() / seconds

        return count

    kinds = (nn.Conv1d, nn.Conv2d, nn.Linear)
    hooks = [
        module.register_forward_hook(counter(part))
        for part, child in network.named_children()
        for module in child.modules()
        if isinstance(module, kinds)
    ]
    try:
        with torch.inference_mode():
            network.eval()(features)
    finally:
        for hook in hooks:
            hook.remove()
    return {part: adds for part, adds in counted.items() if adds}
