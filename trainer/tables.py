"""What was measured, as tables."""

from collections.abc import Mapping, Sequence

from tagger.vocabulary import GENRES
from trainer.claims import Verdict
from trainer.compare import Difference
from trainer.document import Table
from trainer.figures import LabelLines
from trainer.intervals import Figure
from trainer.manifest import Clip
from trainer.questions import SPLIT, Line
from trainer.reliability import GATE, LabelReliability
from trainer.robustness import BOUND, PHONE, Condition


def claims(verdicts: Sequence[Verdict]) -> Table:
    rows = [
        [
            one.claim.name,
            one.claim.clips,
            str(one.figure.clips) if one.figure and one.figure.clips else "",
            _exact(one.figure),
            _limit(one.claim.must, one.claim.at_most),
            one.met(one.claim.must),
            "" if one.claim.aim is None else _limit(one.claim.aim, one.claim.at_most),
            one.met(one.claim.aim),
        ]
        for one in verdicts
    ]
    head = ["figure", "clips", "n", "value [95 % interval]", "must", "met", "aim", "met"]
    caption = (
        f"What a bundle must reach and what it aims at. {SPLIT}; one seed; intervals resample "
        "artists. “Yes, surely”: the whole interval is on the right side."
    )
    return Table(caption=caption, head=head, rows=rows, wide=(0, 1))


def _exact(figure: Figure | None) -> str:
    """What is counted, not estimated, has no interval."""
    if figure is None:
        return "not measured"
    if not figure.clips:
        return f"{figure.value:.2f}"
    return str(figure) if figure.value >= 0.01 else f"{figure.value:.4f} [{figure.low:.4f}, {figure.high:.4f}]"


def _limit(value: float, at_most: bool) -> str:
    return f"{'≤' if at_most else '≥'} {value:g}"


def figures(lines: Sequence[Line], caption: str) -> Table:
    rows = [
        [
            line.name,
            line.clips,
            str(line.figure.clips),
            str(line.seeds),
            str(line.figure),
            "" if line.constant is None else f"{line.constant:.2f}",
        ]
        for line in lines
    ]
    head = ["figure", "clips", "n", "seeds", "value [95 % interval]", "constant answer"]
    return Table(caption=f"{caption} {SPLIT}.", head=head, rows=rows, wide=(0, 1))


def by_label(head: str, rows: Sequence[LabelLines]) -> Table:
    table = [
        [one.label, str(one.clips), *(str(line.figure) for line in (one.precision, one.recall, one.f1))]
        if one.clips
        else [one.label, "0", "", "", ""]
        for one in rows
    ]
    return Table(
        caption=f"Precision, recall and F1 of each {head}, over the clips with a single label. {SPLIT}.",
        head=["label", "n", "precision", "recall", "F1"],
        rows=table,
    )


def reliability(rows: Sequence[LabelReliability]) -> Table:
    table = [
        [
            f"{one.head} {one.label}",
            str(one.clips),
            str(one.answered),
            _signed(one.off_by),
            str(one.written),
            str(one.right) if one.right else "",
            f"{one.gate:.1f}",
        ]
        for one in rows
    ]
    caption = (
        "How far each label can be believed where it is the answer. Off by: mean confidence less the share that is "
        f"right (positive: too sure). Written: answers with a confidence of {GATE} or more. Gate: least confidence for "
        "the standard field; .7 for labels with fewer than 30 clips of their own, and for those that are off by more "
        "than .1 with an interval that excludes .1."
    )
    head = ["label", "clips", "answered", "off by", "written", "of them right", "gate"]
    return Table(caption=caption, head=head, rows=table)


def _signed(figure: Figure | None) -> str:
    return f"{figure.value:+.2f} [{figure.low:+.2f}, {figure.high:+.2f}]" if figure else ""


def robustness(conditions: Sequence[Condition], sample: str) -> Table:
    rows = [
        [
            one.name,
            one.of,
            str(one.same["mood"].clips),
            str(one.same["mood"]),
            str(one.same["genre"]),
            _bounded(one),
            f"{one.shift['mood']:.3f}, {one.shift['genre']:.3f}",
            str(one.mood_accuracy) if one.mood_accuracy else "",
        ]
        for one in conditions
    ]
    caption = (
        f"The same recordings in other renditions: share with the same answer; at least {BOUND} each is demanded, of "
        f"the phone nothing. Shift: mean absolute difference of a probability (mood, genre). {sample}"
    )
    head = ["rendition", "of", "n", "same mood", "same genre", "met", "shift", "mood accuracy"]
    return Table(caption=caption, head=head, rows=rows, wide=(0,))


def _bounded(condition: Condition) -> str:
    if condition.name == PHONE:
        return "-"
    return "yes" if all(one.value >= BOUND for one in condition.same.values()) else "no"


def ablations(base: str, found: Mapping[str, Sequence[Difference]], names: Sequence[tuple[str, str, str]]) -> Table:
    """A row a recipe; `names` are (figure, clips, head of the column)."""
    rows = [
        [recipe, *(_cell(differences, name, clips) for name, clips, _ in names)]
        for recipe, differences in found.items()
    ]
    caption = (
        f"Recipes against {base}, paired over artists: difference [95 % interval], * where it excludes none. Positive "
        "means that the recipe of the row gives more."
    )
    return Table(caption=caption, head=["recipe", *(column for _, _, column in names)], rows=rows)


def _cell(differences: Sequence[Difference], name: str, clips: str) -> str:
    for one in differences:
        if (one.name, one.clips) == (name, clips):
            found = one.pair.difference
            star = "" if one.verdict == "no difference shown" else " *"
            return f"{found.value:+.3f}{star} [{found.low:+.3f}, {found.high:+.3f}]"
    return "-"


_SOURCES = {
    "4q": "Panda, Malheiro, Paiva 2018 [1]",
    "mirex": "Panda and others 2013 [2]",
    "emotify": "Aljanaki, Wiering, Veltkamp 2015 [3]",
    "musifeast": "van der Wel, Eerola and others [4]",
    "nhs": "Mehr and others 2019 [5]",
    "gtzan": "Tzanetakis, Cook 2002 [6]",
    "ishkur": "Ishkur's guide; to learn from only",
    "speech": "telephone prompts; no music",
}


def set_counts(clips: Sequence[Clip]) -> str:
    """The sets and how many clips each has, in a line."""
    names = sorted({clip.set for clip in clips})
    return ", ".join(f"{name} {sum(clip.set == name for clip in clips)}" for name in names)


def data(clips: Sequence[Clip]) -> Table:
    rows = []
    for name in sorted({clip.set for clip in clips}):
        own = [clip for clip in clips if clip.set == name]
        kinds = {
            "mood": sum(clip.mood is not None for clip in own),
            "cluster": sum(clip.cluster is not None for clip in own),
            "genre": sum(len(clip.genres) == 1 for clip in own),
            "genre set": sum(len(clip.genres) > 1 for clip in own),
            "rated": sum(clip.rated is not None for clip in own),
            "words": sum(clip.words is not None for clip in own),
        }
        labels = ", ".join(f"{kind} {count}" for kind, count in kinds.items() if count)
        rows.append([name, str(len(own)), str(len({clip.group for clip in own})), labels, _SOURCES.get(name, "")])
    caption = "The clips by set: how many have which label. “Genre set”: several candidates, of which one or more hold."
    return Table(caption=caption, head=["set", "clips", "artists", "labels", "source"], rows=rows, wide=(3, 4))


def genres(clips: Sequence[Clip]) -> Table:
    used = [clip for clip in clips if clip.set != "ishkur"]
    rows = [
        [
            genre,
            str(sum(clip.genres == (genre,) for clip in used)),
            str(sum(genre in clip.genres and len(clip.genres) > 1 for clip in used)),
        ]
        for genre in GENRES
    ]
    half = (len(rows) + 1) // 2
    pairs = [left + (rows[half + at] if half + at < len(rows) else [""] * 3) for at, left in enumerate(rows[:half])]
    caption = "Clips of each genre, Ishkur's aside: as the only label, and as one of several candidates."
    return Table(caption=caption, head=["genre", "single", "set"] * 2, rows=pairs, wide=())


def parts(adds: Mapping[str, float], parameters: Mapping[str, int]) -> Table:
    names = {
        "mel": "mel branch",
        "mfcc": "MFCC branch",
        "chroma": "chroma branch",
        "joint": "fusion by concatenation",
        "fused_heads": "heads on the fused features",
        "branch_heads": "heads on each branch",
        "branch_norms": "norms of the branches",
        "output_weights": "weights of the output ensemble",
    }
    rows = [
        [names.get(part, part), f"{parameters[part]:,}", f"{adds.get(part, 0.0) / 1e6:.3f}"]
        for part in parameters
        if parameters[part]
    ]
    rows.append(["all", f"{sum(parameters.values()):,}", f"{sum(adds.values()) / 1e6:.3f}"])
    caption = (
        "Weights, and multiply-adds of a second of audio in millions, of each part of the network; features aside."
    )
    return Table(caption=caption, head=["part", "weights", "million multiply-adds a second"], rows=rows)


def recipe(values: Mapping[str, object]) -> Table:
    """Every number of a recipe, nested keys joined by a dot."""
    rows = [[name, value] for name, value in _flat(values)]
    third = -(-len(rows) // 2)
    pairs = [left + (rows[third + at] if third + at < len(rows) else ["", ""]) for at, left in enumerate(rows[:third])]
    return Table(caption="The recipe.", head=["key", "value"] * 2, rows=pairs, wide=())


def _flat(values: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{key}.")
        else:
            words = value if isinstance(value, list | tuple) else [value]
            found.append((prefix + key, ", ".join(f"{w:g}" if isinstance(w, float) else str(w) for w in words)))
    return found
