"""Labels, their other names, and the kinds of music below them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger import vocabulary
from tagger.vocabulary import EMOTION_WORDS, GENRES, MOODS, canonical_genres, known_label, nearest


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("Bebop", ("jazz",)),
        ("Alternative Rock", ("rock",)),
        ("Hip Hop", ("hip-hop",)),
        ("Hip-Hop/Rap", ("hip-hop",)),
        ("Synth-Pop", ("electronic", "pop")),
        ("R&B", ("r&b",)),
        ("R'n'B", ("r&b",)),
        ("RnB/Soul", ("r&b",)),
        ("Drum & Bass", ("electronic",)),
        ("drum n bass", ("electronic",)),
        ("Norwegian Black Metal", ("metal",)),
        ("Rock; Pop", ("pop", "rock")),
        ("Rock - Alternative", ("rock",)),
        ("Folk, World, & Country", ("country", "folk", "world")),
        ("Musique électronique", ("electronic",)),
        ("Electronic Music", ("electronic",)),
        ("Bossa Nova", ("jazz", "latin")),
        ("Children's", ()),
        ("Podcast", ()),
        ("", ()),
    ],
)
def test_genre_as_written_belongs_to_labels(text: str, labels: tuple[str, ...]) -> None:
    assert canonical_genres(text) == labels


def test_a_label_is_only_itself() -> None:
    for label in GENRES:
        assert canonical_genres(label) == (label,)
        assert canonical_genres(label.upper()) == (label,)
        assert known_label(label.title()) == label


def test_no_word_is_both_a_name_of_a_label_and_a_kind_below_one() -> None:
    names = {word for word in vocabulary.genre_words() if known_label(word)}
    for label in GENRES:
        assert vocabulary.normalize(label) in names
    below = [word for word in vocabulary.genre_words() if not known_label(word)]
    assert len(below) > 250
    assert all(canonical_genres(word) for word in below)


def test_other_spellings_name_a_label_and_kinds_below_do_not() -> None:
    assert known_label("Hip Hop") == "hip-hop"
    assert known_label("RnB") == "r&b"
    assert known_label("Bebop") is None
    assert known_label("nonsense") is None


def test_labels_begin_with_a_letter() -> None:
    assert all(word[0].isalpha() for word in GENRES + MOODS + EMOTION_WORDS)


def test_emotions_are_other_words_than_moods() -> None:
    assert len(EMOTION_WORDS) == 9
    assert not set(EMOTION_WORDS) & set(MOODS)


def test_nearest_forgives_a_slip_and_gives_up_on_another_word() -> None:
    assert nearest("Hapy", MOODS) == "happy"
    assert nearest("jaz", GENRES) == "jazz"
    assert nearest("xylophone", MOODS) is None


@given(st.text(max_size=40))
def test_any_text_can_be_looked_up(text: str) -> None:
    labels = canonical_genres(text)
    assert set(labels) <= set(GENRES)
    assert canonical_genres(text.upper().lower()) == canonical_genres(text.upper().lower().casefold())
