"""The report of a run, which reads as a short paper: Markdown, one page of HTML, and PDF."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tagger.vocabulary import MOODS
from trainer import document, metrics, paper, pdf, pictures, tables
from trainer.claims import Verdict, verdicts
from trainer.compare import Difference
from trainer.document import Block, Document, Heading, Paragraph, Picture
from trainer.figures import Choice, choice, numbers
from trainer.findings import Findings
from trainer.manifest import left_out_text
from trainer.reliability import FEW_CLIPS, missed
from trainer.robustness import Robustness

ABLATION_FIGURES = (
    ("mood accuracy", "4q", "mood"),
    ("genre in set", "4q, clips that have a set", "genre in set"),
    ("mood cluster accuracy", "mirex", "cluster"),
    ("rated valence, Pearson r", "musifeast", "rated valence"),
    ("rated arousal, Pearson r", "musifeast", "rated arousal"),
    ("mood log-loss", "4q", "mood log-loss"),
)
"""Figure, clips and column of the table of ablations."""


def write(folder: Path, found: Findings, against: Mapping[str, Sequence[Difference]]) -> None:
    """report.md, report.html, report.pdf and pictures in `folder`; `against`: name of a recipe -> differences."""
    made = compose(folder / "pictures", found, against)
    (folder / "report.md").write_text(document.markdown(made), encoding="utf-8")
    (folder / "report.html").write_text(document.html_page(made), encoding="utf-8")
    pdf.write(made, folder / "report.pdf")


def compose(pictures_folder: Path, found: Findings, against: Mapping[str, Sequence[Difference]]) -> Document:
    by_name = {(line.name, line.clips): line.figure for line in found.lines}
    about, plan = found.about, found.plan
    blocks: list[Block] = [
        Heading(text="Abstract"),
        paper.abstract(by_name, sum(found.adds.values()), found.megabytes, len(found.predictions.clips)),
        Heading(text="Data"),
        *paper.data(),
        tables.data(found.predictions.clips),
        tables.genres(found.predictions.clips),
        *(
            [Paragraph(text=text[0].upper() + text[1:] + ".")]
            if (text := left_out_text(found.predictions.left_out))
            else ()
        ),
        Heading(text="Method"),
        *paper.method(about, plan.chunks, plan.chunk_seconds),
        tables.parts(found.adds, found.parameters),
        Heading(text="Results"),
        _reached(verdicts(found.lines)),
        tables.claims(verdicts(found.lines)),
        *_moods(pictures_folder, found),
        *_genres(pictures_folder, found),
        *_emotion(pictures_folder, found),
        *_confidence(pictures_folder, found),
        *_robustness(found.robustness),
        *_ablations(found.name, against),
        *paper.limits(_mistaken(choice("mood", found.predictions))),
        *paper.references(),
        Heading(text="Appendix: every figure"),
        tables.figures([line for line in found.lines if line.figure.clips], "Every figure."),
        tables.recipe(about["recipe"]),
    ]
    subtitle = f"Recipe {about['recipe']['name']}, seed {about['seed']}"
    return Document(title=paper.TITLE, subtitle=subtitle, blocks=blocks)


def _reached(judged: Sequence[Verdict]) -> Block:
    measured = [one for one in judged if one.figure is not None]
    musts = sum(one.met(one.claim.must) != "no" for one in measured)
    aims = sum(one.met(one.claim.aim) != "no" for one in measured)
    return Paragraph(
        text=f"A bundle that ships is asked for {len(judged)} figures, of which {len(measured)} were measured here: "
        f"{musts} reach what a bundle must, {aims} what it aims at. The musts are about what the teacher's own frozen "
        "features give with a small head; the aims are beyond seven pretrained networks together."
    )


def _moods(folder: Path, found: Findings) -> list[Block]:
    heads = {head: choice(head, found.predictions) for head in ("mood", "cluster")}
    within = found.within_genre
    blocks: list[Block] = [
        Heading(text="Mood", level=3),
        Picture(
            caption="Moods of 4Q and mood clusters of the MIREX-like set: labels against answers, in clips.",
            path=pictures.confusion(folder / "confusion-mood.png", heads),
        ),
        tables.by_label("mood", found.by_label["mood"]),
        Picture(
            caption="Each mood against the three others, over the calibrated probabilities.",
            path=pictures.curves(folder / "curves-mood.png", "mood", heads["mood"]),
            width=0.95,
        ),
    ]
    if within:
        blocks += [
            Paragraph(
                text="Genre and mood go together in 4Q, so that a network could name moods by knowing genres alone. "
                "Within the clips of one genre that way is closed:"
            ),
            Picture(
                caption="Mood accuracy among the 4Q clips that have a genre among their candidates (number of clips), "
                "with intervals over artists, beside the best constant answer within that genre.",
                path=pictures.within(folder / "mood-within-genre.png", within),
                width=0.85,
            ),
        ]
    return blocks


def _mistaken(of: Choice) -> tuple[str, str]:
    """The two moods with the greatest share of each taken for the other."""
    counts = metrics.confusion(of.truth, of.guessed, len(MOODS))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    both = np.triu(shares + shares.T, k=1)
    first, second = np.unravel_index(both.argmax(), both.shape)
    return MOODS[first], MOODS[second]


def _genres(folder: Path, found: Findings) -> list[Block]:
    return [
        Heading(text="Genre", level=3),
        Picture(
            caption="Genres of the clips with a single label: labels against answers, in clips.",
            path=pictures.confusion(folder / "confusion-genre.png", {"genre": choice("genre", found.predictions)}),
            width=0.85,
        ),
        tables.by_label("genre", found.by_label["genre"]),
    ]


def _emotion(folder: Path, found: Findings) -> list[Block]:
    shown = [
        ("rated valence, musifeast", numbers("rated", 0, "musifeast", found.predictions)),
        ("rated arousal, musifeast", numbers("rated", 1, "musifeast", found.predictions)),
        ("rated valence, nhs", numbers("rated", 0, "nhs", found.predictions)),
        ("valence from words, 4q", numbers("words", 0, "4q", found.predictions)),
        ("arousal from words, 4q", numbers("words", 1, "4q", found.predictions)),
        ("dominance from words, 4q", numbers("words", 2, "4q", found.predictions)),
    ]
    known = [(title, of) for title, of in shown if len(of.truth)]
    if not known:
        return []
    return [
        Heading(text="Valence, arousal, dominance", level=3),
        Picture(
            caption="Labels against answers, out of fold; the dashed line is equality. Answers keep nearer to the "
            "middle than labels: squared error makes the network cautious where it cannot tell.",
            path=pictures.scatter(folder / "scatter.png", known),
        ),
    ]


def _confidence(folder: Path, found: Findings) -> list[Block]:
    heads = {head: choice(head, found.predictions) for head in ("mood", "genre", "cluster")}
    wrong = missed(found.labels)
    errors = {line.name: line.figure for line in found.lines if "calibration error" in line.name}
    stated = ", ".join(f"{name.split(' calibration')[0]} {figure}" for name, figure in errors.items())
    kept = (
        f"Right less than half the time where they are written at gate .5: {', '.join(wrong)}."
        if wrong
        else f"At a gate of .5, every label with at least {FEW_CLIPS} clips that is written at all is right at least "
        "half the time."
    )
    return [
        Heading(text="Reliability"),
        Paragraph(
            text="A confidence should mean what it says: of the answers given with .7, seven in ten should be right. "
            f"Calibration error over ten bins of equal mass: {stated}."
        ),
        Picture(
            caption="Reliability: ten bins of equal mass, intervals over artists; the dashed line is a confidence that "
            "means what it says.",
            path=pictures.reliability(folder / "reliability.png", heads),
        ),
        Picture(
            caption="Accuracy of the answers that are given when only the most certain share of clips is answered; the "
            "grey line is two thirds.",
            path=pictures.risk_coverage(folder / "risk-coverage.png", heads),
            width=0.62,
        ),
        Paragraph(text=f"The program writes a label into the standard field only above its gate. {kept}"),
        tables.reliability(found.labels),
    ]


def _robustness(found: Robustness | None) -> list[Block]:
    if found is None:
        return []
    alike = (
        "no two different clips got the same numbers"
        if found.equal_pairs == 0
        else f"{found.equal_pairs} pairs of different clips got the very same numbers"
    )
    return [
        Heading(text="Robustness"),
        Paragraph(
            text="A recording should be heard alike whatever file it comes in. Each clip of the sample was rendered "
            f"anew, decoded again and heard by the network that never met its artist; {alike}. A file that was made "
            "four times as loud is clipped where it does not fit into 16 bits. Clips are shorter than twelve chunks, "
            "which then shrink to six; whole tracks are heard by the network that ships."
        ),
        tables.robustness(found.conditions, found.sample),
    ]


def _ablations(base: str, against: Mapping[str, Sequence[Difference]]) -> list[Block]:
    if not against:
        return []
    return [Heading(text="Ablations"), tables.ablations(base, against, ABLATION_FIGURES)]
