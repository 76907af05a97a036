"""The user's settings and the bundle's gates as the one policy that edits follow."""

from tagger.analysis.header import BundleHeader
from tagger.records import FieldRule, Policy
from tagger.settings import Settings


def policy_of(settings: Settings, header: BundleHeader) -> Policy:
    """What may be written under these settings by this bundle."""
    tags = settings.tags
    return Policy(
        genre=FieldRule(tags.genre),
        mood=FieldRule(tags.mood),
        grouping=FieldRule(tags.grouping),
        custom=tags.custom,
        genre_gate=tags.genre_gate,
        mood_gate=tags.mood_gate,
        genres=tags.genres,
        moods=tags.moods,
        genre_label_gates=header.gates.get("genre", {}),
        mood_label_gates=header.gates.get("mood", {}),
        label_map=tags.label_map,
        v23_separator=tags.v23_separator,
        v23_mood=tags.v23_mood,
        preserve_mtime=tags.preserve_mtime,
        break_hardlinks=tags.break_hardlinks,
        rewrite=settings.rewrite,
        read_only=tuple(map(str, settings.read_only)),
    )
