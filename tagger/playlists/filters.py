"""From the words of a query to filters over the catalog."""

from collections.abc import Sequence

from tagger.catalog.views import Filters
from tagger.records import TaggerError
from tagger.vocabulary import EMOTION_WORDS, GENRES, MOODS, genre_words, known_label, nearest, normalize


def parse(
    *,
    mood: str | None,
    genre: str | None,
    emotion: str | None,
    min_confidence: float = 0.0,
    all_audio: bool = False,
) -> Filters:
    """Raises TaggerError for an unknown word; the message lists the known ones and names the nearest."""
    label = known_label(genre) if genre else None
    word = None if label or not genre else _genre_word(genre)
    return Filters(
        mood=_known("mood", mood, MOODS) if mood else None,
        emotion=_known("emotion", emotion, EMOTION_WORDS) if emotion else None,
        genre_label=label,
        genre_word=word,
        min_confidence=min_confidence,
        all_audio=all_audio,
    )


def _known(kind: str, word: str, known: Sequence[str]) -> str:
    if word.casefold() in known:
        return word.casefold()
    raise _unknown(kind, word, known, nearest(word, known))


def _genre_word(genre: str) -> str:
    word = normalize(genre)
    words = genre_words()
    if word in words:
        return word
    raise _unknown("genre", genre, GENRES, nearest(genre, GENRES) or nearest(word, words))


def _unknown(kind: str, word: str, known: Sequence[str], near: str | None) -> TaggerError:
    hint = f"did you mean {near}? " if near else ""
    return TaggerError(f"unknown {kind} {word}; {hint}known: {', '.join(known)}")
