"""Windows and filterbanks of the features, by librosa: the only place where they are computed."""

import librosa
import numpy as np
import scipy.fft
import scipy.signal
import torch

from tagger.analysis.features import Features, FeatureSpec


def features(spec: FeatureSpec) -> Features:
    """The feature extractor of a spec, its buffers filled. Raises ValueError where bands pass half the sample rate."""
    if spec.f_max_hz > spec.sample_rate_hz / 2:
        raise ValueError(f"f_max_hz must be at most half of sample_rate_hz, got {spec.f_max_hz}")
    filled = Features(spec)
    filled.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(b)) for name, b in _buffers(spec).items()})
    return filled.eval()


def _buffers(spec: FeatureSpec) -> dict[str, np.ndarray]:
    window = scipy.signal.windows.hann(spec.win_length, sym=True).astype(np.float32)
    return {
        "window": window,
        "mel_filters": mel_filters(spec).T,
        "dct": scipy.fft.dct(np.eye(spec.n_mels), norm="ortho", axis=0)[: spec.n_mfcc].T.astype(np.float32),
        "chroma_window": librosa.filters.get_window("hann", spec.chroma_n_fft).astype(np.float32),
        "chroma_filters": chroma_filters(spec).T,
    }


def mel_filters(spec: FeatureSpec) -> np.ndarray:
    """(n_mels, n_fft / 2 + 1): triangles of height 1 on the scale 1127 ln(1 + f / 700)."""
    return librosa.filters.mel(
        sr=spec.sample_rate_hz,
        n_fft=spec.n_fft,
        n_mels=spec.n_mels,
        fmin=spec.f_min_hz,
        fmax=spec.f_max_hz,
        htk=True,
        norm=None,
        dtype=np.float32,
    )


def chroma_filters(spec: FeatureSpec) -> np.ndarray:
    """(n_chroma, chroma_n_fft / 2 + 1): librosa's for tuning 0, silent above `f_max_hz`."""
    filters = librosa.filters.chroma(
        sr=spec.sample_rate_hz, n_fft=spec.chroma_n_fft, tuning=0.0, n_chroma=spec.n_chroma, dtype=np.float32
    )
    frequencies_hz = librosa.fft_frequencies(sr=spec.sample_rate_hz, n_fft=spec.chroma_n_fft)
    return filters * (frequencies_hz <= spec.f_max_hz)
