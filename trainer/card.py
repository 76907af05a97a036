"""The model card: what a bundle learned from, how it was judged, and where it must not be trusted."""

from trainer import tables
from trainer.claims import verdicts
from trainer.document import Table, markdown_table
from trainer.findings import Findings
from trainer.reliability import FEW_CLIPS, missed
from trainer.tables import set_counts

_TEMPLATE = """# Model card: tagger-default {version}

What it hears in six chunks of five seconds of a recording: one of 17 genres, one of four moods, valence and arousal
as listeners would rate them, dominance as mood words imply it.

**Network.** Late fusion of a mel, an MFCC and a chroma branch; features concatenated, and the branches' own answers
mixed in with learned weights. {multiply_adds:.1f} million multiply-adds a second of audio, {parameters:.2f} million
weights.

**Training.** From random weights. The mel branch first followed a teacher frame by frame, without labels, on mixtures
of the clips below: EfficientAT mn04 (Schmid, Koutini, Widmer, ICASSP 2023; MIT licence), which is not part of this
bundle. Then branches, fusion and heads learned the labels, candidate sets for genre. Recipe `{recipe}`, seed {seed};
how long it learns stands in the recipe, the temperatures and cuts come from
the folds' out-of-fold predictions, and the shipped network is fitted again on all folds.

**Data.** Research excerpts of 14 to 30 seconds, mono, 16 kHz: {clips}. Labels: moods and genre candidates of 4Q
(Panda, Malheiro, Paiva 2018), MIREX-like clusters (Panda and others 2013), Emotify (Aljanaki, Wiering, Veltkamp
2015), MUSIFEAST-17 (van der Wel, Eerola and others), Natural History of Song (Mehr and others 2019), Ishkur's guide,
GTZAN (Tzanetakis, Cook 2002). No audio of them is in the bundle.

**Figures.** Five folds, no artist on two sides, out of fold, clip by clip; the intervals resample artists. One seed.
Ishkur's clips are in none of them.

{table}

{robustness}**Reliability and gates.** {gates}

{reliability}

**Limits.** Genre and mood are confounded in the data (rap and rock lean to angry, blues to sad, ambient to calm).
Calm and sad are the pair most often mistaken. Pop is hardly recognised by itself: it is taken for rock, electronic or
another neighbour, hence its gate. Valence, arousal and dominance from words are norms of words, not
ratings; rated valence rests on few hundred clips. Music of other cultures than the data's is judged by their ears.
Speech and noise are not told from music.

**Licence.** GPL-3.0-or-later, as the program.
"""


def write(version: str, found: Findings) -> str:
    """The card as Markdown."""
    robust = found.robustness
    return _TEMPLATE.format(
        version=version,
        table=markdown_table(tables.claims(verdicts(found.lines))),
        robustness=f"{_table(tables.robustness(robust.conditions, robust.sample))}\n\n" if robust else "",
        gates=f"Labels with fewer than {FEW_CLIPS} clips of their own, or whose confidence is off, are written into "
        f"the standard field only from a confidence of .7 on. At .5 {_kept(missed(found.labels))}.",
        reliability=markdown_table(tables.reliability(found.labels)),
        clips=set_counts(found.predictions.clips),
        recipe=found.about["recipe"]["name"],
        seed=found.about["seed"],
        multiply_adds=sum(found.adds.values()) / 1e6,
        parameters=sum(found.parameters.values()) / 1e6,
    )


def _table(table: Table) -> str:
    return f"{table.caption}\n\n{markdown_table(table)}"


def _kept(wrong: list[str]) -> str:
    return (
        f"these are right less than half the time: {', '.join(wrong)}"
        if wrong
        else "all others are right at least half the time"
    )
