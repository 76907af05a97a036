"""Ready-made sets of the [tags] settings, by the player they are for. config.toml gives the reasons."""

from collections.abc import Mapping

PROFILES: Mapping[str, Mapping[str, object]] = {
    "navidrome": {"genres": 2, "moods": 2, "genre_gate": 0.35, "mood_gate": 0.35},
    "mpd": {"genres": 1, "moods": 1, "v23_mood": "TMOO"},
    "kodi": {"genres": 1, "moods": 1, "v23_mood": "TXXX:MOOD"},
    "dj": {"grouping": "fill"},
    "minimal": {"custom": False},
}
