"""The model card: what a bundle learned from, how it was judged, and where it must not be trusted."""

from collections.abc import Sequence

from trainer.report import Line, table

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

{drift}

**Gates.** These genres have fewer than 30 clips of their own and are written into the standard field only from a
confidence of .7 on: {gated}.

**Limits.** Genre and mood are confounded in the data (rap and rock lean to angry, blues to sad, ambient to calm).
Calm and sad are the pair most often mistaken. Pop is hardly recognised by itself: it is taken for rock, electronic or
another neighbour, hence its gate. Valence, arousal and dominance from words are norms of words, not
ratings; rated valence rests on few hundred clips. Music of other cultures than the data's is judged by their ears.
Speech and noise are not told from music.

**Licence.** GPL-3.0-or-later, as the program.
"""


def write(
    *,
    version: str,
    figures: Sequence[Line],
    drift: str,
    gated: Sequence[str],
    clips: str,
    recipe: str,
    seed: int,
    multiply_adds: float,
    parameters: int,
) -> str:
    """The card as Markdown."""
    return _TEMPLATE.format(
        version=version,
        table="\n".join(table(figures)),
        drift=drift,
        gated=", ".join(gated),
        clips=clips,
        recipe=recipe,
        seed=seed,
        multiply_adds=multiply_adds / 1e6,
        parameters=parameters / 1e6,
    )
