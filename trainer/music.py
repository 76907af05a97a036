"""Music or not: from which probability on a recording is taken for music."""

import numpy as np
from numpy.typing import NDArray

HEAD = "music"
"""The head that says how probable it is that a recording is music; one number in [0, 1]."""
FALSE_ALARMS = 0.0005
"""Share of music that may be called none: nothing at all is written into a file that is not music."""


def threshold(probabilities: NDArray[np.float64], is_music: NDArray[np.bool_]) -> float:
    """Halfway between the surest other sound and the least sure music; both are (clips,).

    Where they overlap, as high as FALSE_ALARMS allows.
    """
    music, others = np.sort(probabilities[is_music]), probabilities[~is_music]
    highest = float(music[int(FALSE_ALARMS * len(music))])
    return min(highest, (highest + float(others.max(initial=0.0))) / 2)
