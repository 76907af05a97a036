"""The finer word for a place in the valence-arousal plane."""

from collections.abc import Mapping

from tagger.vocabulary import EMOTIONS


def emotion(valence: float, arousal: float, cuts: Mapping[str, tuple[float, float]]) -> str:
    """One of nine words; `cuts` say for either axis where low ends and where high begins."""
    return EMOTIONS[2 - _third(arousal, cuts["arousal"])][_third(valence, cuts["valence"])]


def _third(value: float, cuts: tuple[float, float]) -> int:
    """0 low, 1 middle, 2 high."""
    return (value >= cuts[0]) + (value >= cuts[1])
