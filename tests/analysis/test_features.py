"""Features against librosa's own."""

import numpy as np
import pytest
import torch

from tagger.analysis.features import POWER_FLOOR, Features, FeatureSpec
from tests.audio import music

librosa = pytest.importorskip("librosa")
SPEC = FeatureSpec()


@pytest.fixture(scope="module")
def features() -> Features:
    from trainer import filterbanks

    return filterbanks.features(SPEC)


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return music(5.0, SPEC.sample_rate_hz).mean(axis=1)


def test_log_mel_is_librosas(features: Features, sound: np.ndarray) -> None:
    mel = librosa.feature.melspectrogram(
        y=sound, sr=SPEC.sample_rate_hz, n_fft=512, win_length=400, hop_length=320, pad_mode="reflect",
        window=np.hanning(400), n_mels=64, fmin=20, fmax=7_500, htk=True, norm=None,
    )  # fmt: skip
    expected = (np.log(mel + POWER_FLOOR) + 2) / 4
    got = features(torch.from_numpy(sound)[None]).log_mel[0].numpy().T
    assert got.shape == (64, 251)
    assert np.abs(got - expected).max() < 1e-3


def test_mfcc_is_librosas(features: Features, sound: np.ndarray) -> None:
    got = features(torch.from_numpy(sound)[None])
    expected = librosa.feature.mfcc(S=got.log_mel[0].numpy().T, n_mfcc=20, norm="ortho")
    assert np.abs(got.mfcc[0].numpy().T - expected).max() < 1e-4


def test_chroma_is_librosas_without_what_lies_above_the_bands(features: Features, sound: np.ndarray) -> None:
    power = np.abs(librosa.stft(sound, n_fft=4_096, hop_length=2_560, pad_mode="reflect")) ** 2
    power[librosa.fft_frequencies(sr=16_000, n_fft=4_096) > 7_500] = 0
    expected = librosa.feature.chroma_stft(S=power, sr=16_000, n_fft=4_096, tuning=0.0)
    got = features(torch.from_numpy(sound)[None]).chroma[0].numpy().T
    assert got.shape == (12, 32)
    assert np.abs(got - expected).max() < 1e-3


def test_what_lies_above_the_bands_is_not_heard(features: Features) -> None:
    time_s = np.arange(80_000) / 16_000

    def power(hz: float) -> float:
        tone = torch.from_numpy((0.5 * np.sin(2 * np.pi * hz * time_s)).astype(np.float32))[None]
        return float((features.power(tone) @ features.mel_filters).sum())

    assert power(7_900) < power(7_000) / 10_000


def test_bands_above_half_the_rate_are_an_error() -> None:
    from trainer import filterbanks

    with pytest.raises(ValueError, match="f_max_hz"):
        filterbanks.features(FeatureSpec(f_max_hz=9_000))
