"""From the mean of log-probabilities over chunks to confidences that mean what they say."""

import numpy as np
from numpy.typing import NDArray


def calibrated(log_probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Probabilities, the last axis summing to 1, of pooled log-probabilities divided by a temperature.

    Source: Guo and others, "On calibration of modern neural networks", ICML 2017.
    """
    scaled = np.asarray(log_probabilities, dtype=np.float64) / temperature
    scaled = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(scaled / scaled.sum(axis=-1, keepdims=True))
