"""The words of the report: what it is about, from which data, how, with which limits. Figures come from outside."""

from collections.abc import Mapping, Sequence
from typing import Any

from trainer.document import Block, Bullets, Heading, Paragraph
from trainer.intervals import Figure

TITLE = "Genre, mood and emotion of music, heard lightly and said with honest confidence"

REFERENCES = (
    "R. Panda, R. Malheiro, R. P. Paiva: Novel audio features for music emotion recognition. IEEE Transactions on "
    "Affective Computing, 2018.",
    "R. Panda, R. Malheiro, B. Rocha, A. Oliveira, R. P. Paiva: Multi-modal music emotion recognition. CMMR 2013.",
    "A. Aljanaki, F. Wiering, R. Veltkamp: Studying emotion induced by music through a crowdsourcing game. Information "
    "Processing and Management, 2016 (data of 2015).",
    "L. van der Wel, T. Eerola and others: MUSIFEAST-17, musical excerpts of seventeen genres with ratings.",
    "S. A. Mehr and others: Universality and diversity in human song. Science 366, 2019.",
    "G. Tzanetakis, P. Cook: Musical genre classification of audio signals. IEEE Transactions on Speech and Audio "
    "Processing, 2002.",
    "A. B. Warriner, V. Kuperman, M. Brysbaert: Norms of valence, arousal, and dominance for 13,915 English lemmas. "
    "Behavior Research Methods, 2013.",
    "F. Schmid, K. Koutini, G. Widmer: Efficient large-scale audio tagging via transformer-to-CNN knowledge "
    "distillation. ICASSP 2023.",
    "R. Jin, Z. Ghahramani: Learning with multiple labels. NIPS 2002.",
    "C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger: On calibration of modern neural networks. ICML 2017.",
    "R. El-Yaniv, Y. Wiener: On the foundations of noise-free selective classification. JMLR 11, 2010.",
    "L. I.-K. Lin: A concordance correlation coefficient to evaluate reproducibility. Biometrics 45, 1989.",
)


def abstract(figures: Mapping[tuple[str, str], Figure], adds: float, megabytes: float, clips: int) -> Block:
    def said(name: str, where: str) -> str:
        figure = figures.get((name, where))
        return "not measured" if figure is None else f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"

    return Paragraph(
        text="tagger listens to a music library and writes genre and mood into the files' own tags. A tag is only "
        "worth writing if it is right for artists that the network never heard, and if the program keeps silent where "
        f"it does not know. The network here hears six chunks of five seconds, costs {adds / 1e6:.1f} million "
        f"multiply-adds a second of audio and takes {megabytes:.1f} MB. Over five artist-disjoint folds of {clips} "
        f"clips, out of fold, it names the mood quadrant of 4Q's clips with an accuracy of "
        f"{said('mood accuracy', '4q')}, puts its genre inside the publishers' candidate set for "
        f"{said('genre in set', '4q, clips that have a set')}, and follows listeners' ratings of arousal with r = "
        f"{said('rated arousal, Pearson r', 'musifeast')} and of valence with r = "
        f"{said('rated valence, Pearson r', 'musifeast')}. Its mood confidences are off by "
        f"{said('mood calibration error, ten equal-mass bins', '4q')} on average. Numbers in brackets are 95 % "
        "intervals over artists."
    )


def data() -> list[Block]:
    return [
        Paragraph(
            text="All clips are research excerpts of 14 to 30 seconds, mono, at 16 kHz, and all have passed one codec "
            "(Opus, 24 kbit/s or less), so that no label can be told from a sample rate or a codec. Every clip has a "
            "fold from 0 to 4; an artist's clips lie in one fold, across all sets. A clip of an unknown artist is its "
            "own artist."
        ),
        Paragraph(
            text="A label that is not known is unknown, never a negative. Genres are candidate sets: “Pop/Rock” may be "
            "pop, rock or metal, and the truth is one or more of the candidates. Valence and arousal exist twice: as "
            "rated by listeners (musifeast, nhs), and as means of published norms [7] of the mood words that a clip "
            "was found by (4q, mirex), together with dominance. The second kind says what the words mean to readers, "
            "not what listeners felt; both have heads of their own. Ishkur's clips come from poor sources: they are "
            "learned from with little weight, and are in no figure."
        ),
    ]


def method(about: Mapping[str, Any], chunks: int, chunk_seconds: float) -> list[Block]:
    fit = about["recipe"]["fit"]
    encoder = (
        "The mel encoder goes on learning gently with them, its distillation loss kept."
        if fit.get("encoder_rate")
        else "The mel encoder stands still meanwhile."
    )
    if share := fit.get("soft_share"):
        encoder += (
            f" {share:.0%} of a known mood or mood cluster, and the whole of an unknown one, is what logistic "
            "regressions on pretrained taggers' embeddings suggest, each fitted on other folds than the clip's."
        )
    return [
        Paragraph(
            text="Input. Samples at 16 kHz become 64 log-mel bands from 20 to 7,500 Hz every 20 ms, 20 MFCCs of them, "
            "and 12 chroma classes every 160 ms. All of it is computed inside the bundle's own graph, by the code that "
            "the daemon runs."
        ),
        Paragraph(
            text="Network. A plain convolutional encoder for the log-mel spectrum, a small one for MFCCs and one for "
            "chroma, whose convolutions go around the circle of pitch classes. Mean and deviation over time of each "
            "are concatenated for a joint hidden layer (fusion of features); each branch also answers by itself, and "
            "the answers are mixed with learned weights (fusion of outputs). Heads: genre, mood, MIREX-like mood "
            "cluster, valence and arousal as rated, valence, arousal and dominance from words."
        ),
        Paragraph(
            text="Training. From random weights. The mel encoder first follows a teacher, EfficientAT's mn04 [8], "
            "frame by frame, on mixtures of two clips that both hear, without any label. Then fusion and heads learn "
            f"the labels, candidate sets through the probability inside the set [9]. {encoder} A fold's network has "
            "met neither the clips nor a mixture of the fold that it is judged on; the teacher is in no bundle."
        ),
        Paragraph(
            text=f"Answers. {chunks} chunks of {chunk_seconds:g} seconds are spread over a recording; "
            "log-probabilities are averaged over chunks and divided by one temperature a head [10]. In the evaluation "
            "the temperature of a fold is fitted on the other folds' out-of-fold answers."
        ),
        Paragraph(
            text="Figures. Every figure is over out-of-fold answers, at the level of the recording, heard through the "
            "daemon's own decoder and analyzer. Intervals are percentile bootstraps over artists (1,000 resamples); "
            "differences of two recipes are paired over the same resamples. Nothing was selected on a figure that is "
            "reported here. Calibration error is the mean gap between confidence and accuracy over ten bins of equal "
            "mass; a perfectly calibrated model shows about .037 on 797 clips. Risk-coverage follows [11], concordance "
            "[12]."
        ),
    ]


def limits(mistaken: tuple[str, str]) -> list[Block]:
    """`mistaken`: the two moods that are most often taken for one another."""
    items = (
        "Genre and mood are confounded in the data: rap and rock lean to angry, blues to sad, ambient to calm.",
        f"{mistaken[0].capitalize()} and {mistaken[1]} are the pair of moods most often mistaken for one another.",
        "Labels are few: several genres have fewer than 30 clips of their own, and their figures hardly mean anything. "
        "Their gate is .7.",
        "Valence, arousal and dominance from words are norms of words, not ratings. Rated valence rests on a few "
        "hundred clips. The two ratings of nhs are nearly one dimension (r = .90).",
        "A mood is a matter of opinion: on another set, DEAM, one listener agrees with the panel's quadrant for about "
        "54 % of the songs, a fresh panel of ten for about 79 %.",
        "Music of other cultures than the data's is judged by its ears.",
        "Intervals resample artists; they do not contain the choice of the sets, nor, with one run, that of the seed.",
    )
    return [Heading(text="Limits"), Bullets(items=items)]


def references() -> list[Block]:
    items: Sequence[str] = [f"[{number}] {text}" for number, text in enumerate(REFERENCES, start=1)]
    return [Heading(text="References"), *(Paragraph(text=item) for item in items)]
