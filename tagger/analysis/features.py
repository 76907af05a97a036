"""Log-mel, MFCC and chroma in torch, on the device of the network.

Windows and filterbanks are buffers: the trainer computes them with librosa at export, the bundle stores them, and
nothing of librosa is needed to listen. Bands end at 7,500 Hz, because the training clips passed a codec that loses what
lies above.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpec:
    """How samples become network input; stored in the bundle, never retyped elsewhere. Lengths in samples."""

    sample_rate_hz: int = 16_000
    n_fft: int = 512
    win_length: int = 400
    hop_length: int = 320
    n_mels: int = 64
    f_min_hz: float = 20.0
    f_max_hz: float = 7_500.0
    n_mfcc: int = 20
    chroma_n_fft: int = 4_096
    chroma_hop_length: int = 2_560
    n_chroma: int = 12

    @classmethod
    def of(cls, config: Mapping[str, object]) -> "FeatureSpec":
        return cls(**config)  # type: ignore[arg-type]

    def config(self) -> dict[str, object]:
        return asdict(self)


class FeatureSet(NamedTuple):
    """What the network hears. Frames are centred, `hop_length` samples apart."""

    log_mel: Tensor  # (batch, frames, n_mels): (ln(power + 1e-5) + 2) / 4
    mfcc: Tensor  # (batch, frames, n_mfcc): orthonormal DCT-II of log_mel
    chroma: Tensor  # (batch, chroma frames, n_chroma): strongest class of a frame is 1


POWER_FLOOR = 1e-5


def log_power(power: Tensor) -> Tensor:
    """Mel power, any shape, on the scale of the network's input: about -2.4 for silence, 0 to 2 for music."""
    return (torch.log(power + POWER_FLOOR) + 2) / 4


class Features(nn.Module):
    """Samples to features. A fresh instance holds zeros: fill its buffers from a bundle or `trainer.filterbanks`."""

    window: Tensor
    mel_filters: Tensor
    dct: Tensor
    chroma_window: Tensor
    chroma_filters: Tensor

    def __init__(self, spec: FeatureSpec) -> None:
        super().__init__()
        self.spec = spec
        bins, chroma_bins = spec.n_fft // 2 + 1, spec.chroma_n_fft // 2 + 1
        self.register_buffer("window", torch.zeros(spec.win_length))
        self.register_buffer("mel_filters", torch.zeros(bins, spec.n_mels))
        self.register_buffer("dct", torch.zeros(spec.n_mels, spec.n_mfcc))
        self.register_buffer("chroma_window", torch.zeros(spec.chroma_n_fft))
        self.register_buffer("chroma_filters", torch.zeros(chroma_bins, spec.n_chroma))

    def forward(self, samples: Tensor) -> FeatureSet:
        """Features of (batch, n_samples) float32 in [-1, 1]; n_samples at least half of `chroma_n_fft` + 1."""
        log_mel = self.log_mel(self.power(samples))
        return FeatureSet(log_mel=log_mel, mfcc=self.mfcc(log_mel), chroma=self.chroma(samples))

    def power(self, samples: Tensor) -> Tensor:
        """Power spectrum (batch, frames, n_fft / 2 + 1)."""
        spec = self.spec
        return _power(samples, spec.n_fft, spec.hop_length, self.window)

    def log_mel(self, power: Tensor) -> Tensor:
        return log_power(power @ self.mel_filters)

    def mfcc(self, log_mel: Tensor) -> Tensor:
        return log_mel @ self.dct

    def chroma(self, samples: Tensor) -> Tensor:
        """Chroma from longer windows, as librosa.feature.chroma_stft with tuning=0 and norm=inf has it."""
        spec = self.spec
        power = _power(samples, spec.chroma_n_fft, spec.chroma_hop_length, self.chroma_window)
        chroma = power @ self.chroma_filters
        return chroma / chroma.amax(dim=-1, keepdim=True).clamp_min(1e-10)


def _power(samples: Tensor, n_fft: int, hop_length: int, window: Tensor) -> Tensor:
    spectrum = torch.stft(
        samples,
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=window.shape[0],
        window=window,
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    return (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2)
