"""An encoder for each of mel, MFCC and chroma, fused twice: at feature level and at output level.

The branches' embeddings are concatenated for the joint head (feature-level fusion); each branch also answers by itself,
and the answers are mixed with learned weights, one set a head (output-level fusion). The mel encoder is a plain
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

BRANCHES = ("mel", "mfcc", "chroma")
_FIRST_WEIGHTS = {"fused": 2.0, "mel": 1.0, "mfcc": 0.0, "chroma": 0.0}


def sources(branches: tuple[str, ...], fusion: str) -> tuple[str, ...]:
    """Who answers, in the order of the output weights; raises KeyError for another fusion."""
    return {"both": ("fused", *branches), "concatenation": ("fused",), "outputs": branches}[fusion]


class Answers(NamedTuple):
    """What the network says of each chunk; `outputs` per head: log-probabilities, or numbers in [0, 1]."""

    outputs: dict[str, Tensor]  # head -> (batch, n)
    sources: dict[str, Tensor]  # head -> (batch, source, n): each source's own answer, in the order of `sources`
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
    """Kind "late-fusion". `softmax_heads` and `unit_heads` map a head's name to its number of outputs.

    `branches` are "mel" and some of the others; `fusion` is "concatenation", "outputs" or "both".
    """

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
        branches: tuple[str, ...] = BRANCHES,
        fusion: str = "both",
    ) -> None:
        super().__init__()
        self.softmax_heads, self.unit_heads = dict(softmax_heads), dict(unit_heads)
        self.hidden = hidden
        heads = {**softmax_heads, **unit_heads}
        self.mel = MelEncoder(tuple(channels), tuple(strides), mel_width)
        self.mfcc = MfccEncoder(n_mfcc, mfcc_width) if "mfcc" in branches else None
        self.chroma = ChromaEncoder(chroma_width) if "chroma" in branches else None
        every = {"mel": 2 * mel_width, "mfcc": 2 * mfcc_width, "chroma": 2 * chroma_width}
        widths = {branch: every[branch] for branch in branches}
        self.sources = sources(tuple(branches), fusion)
        self.joint = nn.Sequential(
            nn.LayerNorm(sum(widths.values())), nn.Dropout(dropout), nn.Linear(sum(widths.values()), hidden), nn.ReLU()
        )
        self.dropout = nn.Dropout(dropout)
        fused = heads if "fused" in self.sources else {}
        self.fused_heads = nn.ModuleDict({head: nn.Linear(hidden, n) for head, n in fused.items()})
        alone = {branch: width for branch, width in widths.items() if branch in self.sources}
        self.branch_norms = nn.ModuleDict({branch: nn.LayerNorm(width) for branch, width in alone.items()})
        self.branch_heads = nn.ModuleDict(
            {
                branch: nn.ModuleDict({head: nn.Linear(width, n) for head, n in heads.items()})
                for branch, width in alone.items()
            }
        )
        first = torch.tensor([_FIRST_WEIGHTS[source] for source in self.sources])
        self.output_weights = nn.ParameterDict({head: nn.Parameter(first.clone()) for head in heads})

    def forward(self, features: FeatureSet) -> Answers:
        return self.fuse(self.mel(features.log_mel), features.mfcc, features.chroma)

    def fuse(self, mel_frames: Tensor, mfcc: Tensor, chroma: Tensor) -> Answers:
        """The answers over the mel encoder's frames, (batch, frames, mel_width), and the other two inputs."""
        frames = {"mel": mel_frames}
        if self.mfcc is not None:
            frames["mfcc"] = self.mfcc(mfcc)
        if self.chroma is not None:
            frames["chroma"] = self.chroma(chroma)
        pooled = {branch: _mean_and_deviation(heard) for branch, heard in frames.items()}
        embedding = self.joint(torch.cat(tuple(pooled.values()), dim=1))
        hidden = {"fused": self.dropout(embedding)}
        for branch, norm in self.branch_norms.items():
            hidden[branch] = self.dropout(norm(pooled[branch]))
        outputs: dict[str, Tensor] = {}
        answers: dict[str, Tensor] = {}
        for head in self.output_weights:
            raw = [self._layer(source, head)(hidden[source]) for source in self.sources]
            answers[head] = self._scaled(head, torch.stack(raw, dim=1))
            outputs[head] = self._mixed(head, answers[head])
        return Answers(outputs, answers, embedding)

    def _layer(self, source: str, head: str) -> nn.Module:
        heads = self.fused_heads if source == "fused" else self.branch_heads[source]
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
