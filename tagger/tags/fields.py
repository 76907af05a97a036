"""The fields that are written into files: the standard ones, and everything that is known of a track."""

from collections.abc import Mapping

from tagger.ownership import LABEL_FIELDS
from tagger.records import Analysis, Field, Policy, TagValues

PREFIX = "TAGGER_"
STANDARD = (Field.GENRE, Field.MOOD, Field.GROUPING)
OLDER_TAG = "older tag"
"""The name of a decision's note on fields that are not ours."""
NO_VALUE = frozenset({"", "unknown", "other", "none", "genre"})
"""What stands in a genre field where nobody has said anything, case-folded."""


def surest(analysis: Analysis, head: str, count: int) -> tuple[str, ...]:
    """The `count` surest labels of a head, surest first."""
    probabilities = analysis.probabilities[head]
    return tuple(sorted(probabilities, key=probabilities.__getitem__, reverse=True)[:count])


def custom_fields(analysis: Analysis, policy: Policy, now: str) -> dict[str, tuple[str, ...]]:
    """The TAGGER_* fields, bare labels and numbers as text. `now` is ISO 8601 in UTC."""
    genres, moods = surest(analysis, "genre", policy.genres), surest(analysis, "mood", policy.moods)
    return {
        "TAGGER_GENRE": genres,
        "TAGGER_GENRE_CONFIDENCE": tuple(_number(analysis.probabilities["genre"][label]) for label in genres),
        "TAGGER_MOOD": moods,
        "TAGGER_MOOD_CONFIDENCE": tuple(_number(analysis.probabilities["mood"][label]) for label in moods),
        "TAGGER_EMOTION": (analysis.emotion,),
        "TAGGER_VALENCE": (_number(analysis.valence),),
        "TAGGER_AROUSAL": (_number(analysis.arousal),),
        "TAGGER_DOMINANCE": (_number(analysis.dominance),),
        "TAGGER_MODEL": (analysis.bundle_id,),
        "TAGGER_DATE": (now,),
    }


def standing(tags: TagValues, name: str) -> tuple[str, ...]:
    """The values of a field by the name that edits use: one of STANDARD or TAGGER_*."""
    standard = {Field.GENRE: tags.genre, Field.MOOD: tags.mood, Field.GROUPING: tags.grouping}
    return standard[Field(name)] if name in STANDARD else tags.own.get(name, ())


def labels_of(own: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """What the TAGGER_* fields say in labels: genres, then moods."""
    return tuple(label for name in LABEL_FIELDS for label in own.get(name, ()))


def field_of(name: str) -> Field:
    """The field of the policy, and of vetoes, that a tag field belongs to."""
    return Field(name) if name in STANDARD else Field.CUSTOM


def speaks_for_itself(name: str | None) -> bool:
    """Whether a second place that holds this field would contradict the one that we write.

    A grouping is the user's, and seldom ours: it stands in the way of nothing.
    """
    return name is not None and name != Field.GROUPING


def says_something(values: tuple[str, ...]) -> bool:
    return any(value.strip().casefold() not in NO_VALUE for value in values)


def _number(value: float) -> str:
    return f"{value:.2f}"
