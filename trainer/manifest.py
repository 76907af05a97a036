"""The labelled clips: one row of manifest.csv a clip, as checked values. An unknown label is None, never a negative."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tagger.records import TaggerError
from tagger.vocabulary import GENRES, MOODS

SETS = ("4q", "mirex", "emotify", "musifeast", "nhs", "ishkur", "gtzan")
SPEECH = "speech"
"""The set that is no music at all; it is not in the manifest, its file names say who speaks: en-03.opus."""
FOLDS = 5
CLUSTERS = tuple(f"cluster-{number}" for number in range(1, 6))
"""The five mood clusters of the MIREX-like set; an auxiliary target."""
GEMS = (
    "amazement",
    "solemnity",
    "tenderness",
    "nostalgia",
    "calmness",
    "power",
    "joyful_activation",
    "tension",
    "sadness",
)
"""The Geneva Emotional Music Scales (Zentner, Grandjean, Scherer 2008), as Emotify asked for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One labelled excerpt. Ratings in [0, 1]; `words` are norms of the clip's mood words, not listeners' ratings."""

    set: str
    name: str
    path: Path
    fold: int
    group: str  # the artist's normalised name: what a fold or a bootstrap never splits
    mood: str | None
    mood_weight: float | None
    cluster: str | None
    genres: tuple[str, ...]  # candidates: the truth is one or more of them
    rated: tuple[float, float] | None  # valence, arousal
    words: tuple[float, float, float] | None  # valence, arousal, dominance
    tags: tuple[str, ...] = ()  # mood words
    gems: tuple[float, ...] | None = None  # share of the listeners in whom it induced each of GEMS

    @property
    def key(self) -> str:
        return f"{self.set}/{self.name}"

    @property
    def labelled(self) -> bool:
        return bool(self.mood or self.cluster or self.genres or self.rated or self.words or self.set == SPEECH)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A clip of the manifest that is not used, and why."""

    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.key} ({self.reason})"


def speech(data: Path) -> tuple[Clip, ...]:
    """The clips of `data`/clips/speech, a speaker's in one fold: speakers in the order of their names."""
    paths = sorted((data / "clips" / SPEECH).glob("*-*.*"))
    speakers = sorted({path.stem.split("-")[0] for path in paths})
    return tuple(
        Clip(
            set=SPEECH,
            name=path.stem,
            path=path,
            fold=speakers.index(path.stem.split("-")[0]) % FOLDS,
            group=f"{SPEECH} {path.stem.split('-')[0]}",
            mood=None,
            mood_weight=None,
            cluster=None,
            genres=(),
            rated=None,
            words=None,
        )
        for path in paths
    )


def usable(clips: Sequence[Clip]) -> tuple[tuple[Clip, ...], tuple[LeftOut, ...]]:
    """The clips that have a label and whose file is there, and the others by name."""
    why = {clip.key: "no label" if not clip.labelled else "no such file" for clip in clips if not _used(clip)}
    left_out = tuple(LeftOut(key=key, reason=reason) for key, reason in why.items())
    return tuple(clip for clip in clips if clip.key not in why), left_out


def _used(clip: Clip) -> bool:
    return clip.labelled and clip.path.is_file()


def left_out_text(left_out: Sequence[LeftOut]) -> str:
    """One line: how many, and which; "" for none."""
    return f"left out {len(left_out)} of the clips: {', '.join(map(str, left_out))}" if left_out else ""


def read(data: Path) -> tuple[Clip, ...]:
    """The clips of `data`/manifest.csv, in its order. Raises TaggerError naming the row and what is wrong in it."""
    manifest = data / "manifest.csv"
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            return tuple(_clip(data, row, number) for number, row in enumerate(csv.DictReader(file), start=2))
    except OSError as error:
        raise TaggerError(f"{manifest}: {error.strerror}; give the data's folder with --data") from error


def _clip(data: Path, row: dict[str, str], number: int) -> Clip:
    try:
        clip = Clip(
            set=_known(row["set"], SETS),
            name=row["clip"],
            path=data / row["path"],
            fold=int(_known(row["fold"], tuple(map(str, range(FOLDS))))),
            group=row["group"],
            mood=_known(row["mood"], MOODS) if row["mood"] else None,
            mood_weight=float(row["mood_weight"]) if row["mood_weight"] else None,
            cluster=_known("cluster-" + row["cluster"][-1:], CLUSTERS) if row["cluster"] else None,
            genres=tuple(_known(genre, GENRES) for genre in row["genre_candidates"].split("|") if genre),
            rated=_rated(row),
            words=_words(row),
            tags=_tags(row["mood_tags"]),
            gems=_gems(row),
        )
    except (KeyError, ValueError) as error:
        raise TaggerError(f"{data / 'manifest.csv'}, line {number}: {error}") from error
    return clip


def _known(value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{value!r} is none of {', '.join(known)}")
    return value


def _rated(row: dict[str, str]) -> tuple[float, float] | None:
    if not (row["rated_valence"] and row["rated_arousal"]):
        return None
    return float(row["rated_valence"]), float(row["rated_arousal"])


_SPELLINGS = {"agressive": "aggressive", "amiable-good natured": "amiable"}
"""The publishers of MIREX-like spell some of 4Q's words otherwise, and join two to "Tense - Anxious"."""


def _tags(cell: str) -> tuple[str, ...]:
    words = (word.strip().casefold() for word in cell.replace(" - ", "|").split("|"))
    return tuple(_SPELLINGS.get(word, word) for word in words if word)


def _gems(row: dict[str, str]) -> tuple[float, ...] | None:
    """Only Emotify has them; another data folder need not have the columns."""
    cells = [row.get(f"gems_{name}") for name in GEMS]
    return tuple(float(cell) for cell in cells if cell) if all(cells) else None


def _words(row: dict[str, str]) -> tuple[float, float, float] | None:
    """The norms run from 1 to 9."""
    if not (row["valence"] and row["arousal"] and row["dominance"]):
        return None
    valence, arousal, dominance = ((float(row[name]) - 1) / 8 for name in ("valence", "arousal", "dominance"))
    return valence, arousal, dominance
