"""Labels, aliases and parents: pure data and look-ups, no other room is needed to read them."""

import difflib
import re
from collections.abc import Iterable

VERSION = 1
"""Stored beside canonical labels in the catalog; a new table of aliases makes them be derived again."""

GENRES = (
    "ambient",
    "blues",
    "classical",
    "country",
    "disco",
    "electronic",
    "folk",
    "hip-hop",
    "jazz",
    "latin",
    "metal",
    "pop",
    "r&b",
    "reggae",
    "rock",
    "soundtrack",
    "world",
)

MOODS = ("happy", "angry", "sad", "calm")
"""The quadrants of the valence-arousal plane: V+A+, V-A+, V-A-, V+A-."""

EMOTIONS = (
    ("tense", "energetic", "excited"),
    ("gloomy", "neutral", "cheerful"),
    ("melancholic", "mellow", "serene"),
)
"""Rows: arousal high, middle, low. Columns: valence low, middle, high."""

EMOTION_WORDS = tuple(word for row in EMOTIONS for word in row)
