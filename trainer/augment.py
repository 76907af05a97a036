"""What happens to sound between a master and a user's file: mixtures, levels, equalisers, bandwidth, masks."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tagger.analysis.features import POWER_FLOOR
from trainer.recipe import PoolRecipe

Floats = NDArray[np.float32]


def mix(first: Floats, second: Floats, level_db: float) -> Floats:
    """The sum of two crops of equal length, the second at `level_db` against the first; as loud as the first."""
    power, other = float(np.mean(first**2)), float(np.mean(second**2))
    if power < 1e-9 or other < 1e-9:
        return first
    scale = np.sqrt(power / other) * 10 ** (level_db / 20)
    mixed = first + np.float32(scale) * second
    return np.asarray(mixed * np.float32(np.sqrt(power / max(float(np.mean(mixed**2)), 1e-9))), dtype=np.float32)


def curve_db(generator: np.random.Generator, recipe: PoolRecipe, hz: NDArray[np.float64]) -> Floats:
    """A random gain in dB at each frequency of `hz`: level, smooth equaliser, low-pass, high-pass."""
    curve = np.full(len(hz), generator.uniform(*recipe.gain_db))
    octaves = np.log2(np.maximum(hz, 31.25))
    if generator.random() < recipe.equalizer_share:
        curve += equalizer_db(generator, recipe.equalizer_db, octaves)
    if generator.random() < recipe.low_pass_share:
        edge, slope = np.log2(generator.uniform(2_000, 7_000)), generator.uniform(12, 48)
        curve -= np.maximum(octaves - edge, 0) * slope
    if generator.random() < recipe.high_pass_share:
        edge, slope = np.log2(generator.uniform(60, 400)), generator.uniform(6, 18)
        curve -= np.maximum(edge - octaves, 0) * slope
    return curve.astype(np.float32)


def equalizer_db(
    generator: np.random.Generator, deviation_db: float, octaves: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A smooth curve over `octaves`: three cosines of one to four octaves' half period."""
    curve = np.zeros(len(octaves))
    for _ in range(3):
        period = generator.uniform(2, 8)
        curve += np.cos(2 * np.pi * (octaves / period + generator.random())) * generator.normal()
    return np.asarray(curve * (deviation_db / np.sqrt(1.5)))


def louder(log_mel: Tensor, gain_db: Tensor) -> Tensor:
    """Log-mel spectra (batch, frames, bands) with `gain_db`, broadcast over them, applied to the power behind them."""
    power = (torch.exp(4 * log_mel - 2) - POWER_FLOOR).clamp_min(0)
    return (torch.log(power * 10 ** (gain_db / 10) + POWER_FLOOR) + 2) / 4


def altered(log_mel: Tensor, gain_db: float, mask_share: float, seed: int) -> Tensor:
    """Log-mel spectra, each with a random gain of up to `gain_db` either way, `mask_share` of them masked."""
    generator = torch.Generator().manual_seed(seed)
    gain = (2 * torch.rand(len(log_mel), 1, 1, generator=generator) - 1) * gain_db
    return mask(louder(log_mel, gain), mask_share, generator)


def mask(log_mel: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """SpecAugment (Park and others 2019): in `share` of the batch one band and one stretch become the mean."""
    masked = log_mel.clone()
    batch, frames, bands = log_mel.shape
    chosen = torch.rand(batch, generator=generator) < share
    for index in chosen.nonzero().flatten().tolist():
        for length, axis in ((bands // 8, 1), (frames // 10, 0)):
            width = int(torch.randint(1, length + 1, (1,), generator=generator))
            start = int(torch.randint(0, (bands, frames)[axis == 0] - width, (1,), generator=generator))
            masked[index].narrow(axis, start, width).fill_(float(log_mel[index].mean()))
    return masked
