"""What evaluation claims of itself: who is counted, what a temperature has seen, what is heard, what is refused."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from tagger.analysis.analyzer import Analyzer
from tagger.analysis.bundle import load
from tagger.analysis.calibration import calibrated
from tagger.analysis.chunks import ChunkPlan
from tagger.analysis.decode import read
from tagger.records import Decoded, TaggerError
from tagger.vocabulary import GENRES, MOODS
from tests.audio import write_audio
from tests.bundles import untrained
from trainer import (
    claims,
    cli,
    compare,
    evaluate,
    figures,
    findings,
    intervals,
    manifest,
    music,
    pdf,
    reliability,
    report,
    robustness,
    samples,
)
from trainer.checkpoint import fold_folder, save_model
from trainer.evaluate import Predictions
from trainer.intervals import Figure
from trainer.manifest import CLUSTERS, Clip
from trainer.questions import Line, answer
from trainer.targets import LABELS


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few resamples: these tests ask what is counted, not how wide an interval is."""
    monkeypatch.setattr(intervals, "RESAMPLES", 8)


def clip(set_name: str, number: int, path: Path = Path("none"), **labels: object) -> Clip:
    empty: dict[str, object] = dict.fromkeys(("mood", "mood_weight", "cluster", "rated", "words"))
    values = {**empty, "genres": (), "fold": number % 5, "group": f"artist {number // 2}", **labels}
    return Clip(**{"set": set_name, "name": str(number), "path": path, **values})  # type: ignore[arg-type]


def labelled() -> list[Clip]:
    """Thirty clips of every set that is reported, over all folds."""
    clips = []
    for n in range(30):
        tenth = (n % 10) / 10
        single, pair = (GENRES[n % len(GENRES)],), ("pop", "rock", "metal")[n % 3]
        words = (tenth, 1 - tenth, 0.5 + tenth / 3)
        clips.append(clip("4q", n, mood=MOODS[n % 4], genres=(pair, "jazz"), words=words))
        clips.append(clip("mirex", 100 + n, cluster=CLUSTERS[n % 5], words=words))
        clips += [clip("gtzan", 200 + n, genres=(pair,)), clip("emotify", 300 + n, genres=single)]
        clips.append(clip("musifeast", 400 + n, genres=single, rated=(tenth, 1 - tenth)))
        clips.append(clip("nhs", 500 + n, genres=("world",), rated=(1 - tenth, tenth)))
    return clips


def answers(clips: list[Clip], seed: int = 0) -> Predictions:
    generator = np.random.default_rng(seed)
    outputs = {head: generator.normal(size=(len(clips), len(names))) for head, names in LABELS.items()}
    return Predictions(clips=tuple(clips), outputs=outputs)


def joined(first: Predictions, second: Predictions) -> Predictions:
    outputs = {head: np.concatenate([first.outputs[head], second.outputs[head]]) for head in LABELS}
    return Predictions(clips=first.clips + second.clips, outputs=outputs)


def asked(predictions: Predictions) -> dict[tuple[str, str], Line]:
    lines = [answer(question) for question in figures.questions(predictions)]
    return {(line.name, line.clips): line for line in lines}


def test_ishkur_is_in_no_figure() -> None:
    without = answers(labelled())
    ishkur = answers([clip("ishkur", 900 + n, genres=("electronic",)) for n in range(60)], seed=1)
    assert asked(joined(without, ishkur)) == asked(without)


def test_a_temperature_has_not_seen_the_fold_that_it_is_applied_to() -> None:
    predictions = answers(labelled())
    own = np.array([one.fold == 2 for one in predictions.clips])
    changed = {head: np.where(own[:, None], values * 7 + 1, values) for head, values in predictions.outputs.items()}
    other = Predictions(clips=predictions.clips, outputs=changed)
    assert other.temperature("mood", ~own) == predictions.temperature("mood", ~own)
    assert other.temperature("mood") != predictions.temperature("mood")
    expected = calibrated(changed["mood"][own], predictions.temperature("mood", ~own))
    assert np.array_equal(other.probabilities("mood")[own], expected)


def test_genre_in_set_stands_beside_the_best_constant_answer() -> None:
    clips = [clip("4q", n, mood="sad", genres=("pop", "rock") if n < 6 else ("jazz",)) for n in range(10)]
    outputs = {head: np.zeros((10, len(names))) for head, names in LABELS.items()}
    outputs["genre"][:, GENRES.index("jazz")] = 1
    found = asked(Predictions(clips=tuple(clips), outputs=outputs))["genre in set", "4q, clips that have a set"]
    assert (found.figure.value, found.constant, found.figure.clips) == (0.4, 0.6, 10)


def test_pop_and_rock_are_one_genre_in_emotify_alone() -> None:
    clips = [clip("emotify", n, genres=("rock",)) for n in range(4)] + [clip("emotify", 9, genres=("classical",))]
    outputs = {head: np.zeros((5, len(names))) for head, names in LABELS.items()}
    outputs["genre"][:, GENRES.index("pop")] = 1
    found = asked(Predictions(clips=tuple(clips), outputs=outputs))
    assert found["genre accuracy, pop and rock as one", "emotify, clips that have a set"].figure.value == 0.8
    assert found["genre accuracy", "single label"].figure.value == 0


def test_a_claim_is_met_by_its_figure_and_surely_by_its_interval() -> None:
    def verdict(value: float, low: float, high: float) -> list[str]:
        figure = Figure(value=value, low=low, high=high, clips=9)
        line = Line(name="mood accuracy", clips="4q", figure=figure)
        found = claims.verdicts([line])[0]
        return [found.met(found.claim.must), found.met(found.claim.aim)]

    assert verdict(0.76, 0.75, 0.80) == ["yes, surely", "no"]
    assert verdict(0.76, 0.70, 0.80) == ["yes", "no"]
    assert verdict(0.73, 0.70, 0.80) == ["no", "no"]
    assert claims.verdicts([])[0].met(0.74) == "not measured"
    small = Line(name="bundle, MB", clips="the file", figure=Figure(value=3.9, low=3.9, high=3.9, clips=0))
    assert claims.verdicts([small])[-1].met(4.0) == "yes"


def test_every_claim_is_a_figure_that_is_asked() -> None:
    clips = labelled() + [clip("speech", 700 + n) for n in range(10)]
    predictions = answers(clips)
    outputs = {**predictions.outputs, "music": np.random.default_rng(0).random((len(clips), 1))}
    known = set(asked(Predictions(clips=tuple(clips), outputs=outputs)))
    known |= {(line.name, line.clips) for line in findings.counted(1e6, 4.0)}
    assert {(claim.name, claim.clips) for claim in claims.CLAIMS} <= known


def test_music_is_told_by_a_threshold_that_has_not_seen_the_fold() -> None:
    clips = [clip("4q", n, mood="sad") for n in range(20)] + [clip("speech", n) for n in range(10)]
    music = np.array([0.9] * 20 + [0.1] * 9 + [0.6])[:, None]  # the last is in fold 4
    predictions = Predictions(clips=tuple(clips), outputs={"music": music})
    called = predictions.called_music()
    assert called.tolist() == [True] * 20 + [False] * 9 + [True]
    found = asked(Predictions(clips=tuple(clips), outputs={**answers(clips).outputs, "music": music}))
    assert found["speech called music", "speech, speaker held out"].figure.value == 0.1
    assert found["music called not music", "all sets, out of fold"].figure.value == 0


def test_the_music_threshold_lies_between_and_gives_way_to_music() -> None:
    truth = np.array([True, True, False, False])
    assert music.threshold(np.array([0.9, 0.8, 0.2, 0.1]), truth) == pytest.approx(0.5)
    assert music.threshold(np.array([0.9, 0.3, 0.6, 0.1]), truth) == pytest.approx(0.3)


def sure(clips: list[Clip], guessed: list[str], confidence: float) -> Predictions:
    """Genres guessed with a confidence; calibration leaves it about where it is."""
    outputs = {head: np.zeros((len(clips), len(names))) for head, names in LABELS.items()}
    rest = np.log((1 - confidence) / (len(GENRES) - 1))
    outputs["genre"] += rest
    for row, genre in enumerate(guessed):
        outputs["genre"][row, GENRES.index(genre)] = np.log(confidence)
    return Predictions(clips=tuple(clips), outputs=outputs)


def test_few_clips_or_a_wrong_confidence_raise_a_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Predictions, "temperature", lambda *_: 1.0)
    clips = [clip("musifeast", n, genres=(("jazz", "rock")[n % 2],)) for n in range(80)]
    clips += [clip("musifeast", 100 + n, genres=("pop",)) for n in range(29)]
    guessed = ["jazz"] * 80 + ["pop"] * 29  # every other "jazz" is right
    rows = {row.label: row for row in reliability.by_label("genre", sure(clips, guessed, 0.9))}
    assert (rows["jazz"].clips, rows["jazz"].answered, rows["jazz"].written) == (40, 80, 80)
    assert rows["jazz"].off_by is not None
    assert rows["jazz"].off_by.value == pytest.approx(0.4)
    assert {label: rows[label].gate for label in ("jazz", "rock", "pop")} == {"jazz": 0.7, "rock": 0.5, "pop": 0.7}
    honest = {row.label: row for row in reliability.by_label("genre", sure(clips, guessed, 0.5))}
    assert honest["jazz"].gate == 0.5
    assert reliability.gates(sure(clips, guessed, 0.5))["genre"]["pop"] == 0.7
    assert "jazz" not in reliability.gates(sure(clips, guessed, 0.5))["genre"]


def test_labels_that_are_wrong_more_often_than_right_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Predictions, "temperature", lambda *_: 1.0)
    clips = [clip("musifeast", n, genres=("jazz" if n < 30 else "rock",)) for n in range(80)]
    assert reliability.missed(reliability.by_label("genre", sure(clips, ["jazz"] * 80, 0.9))) == ["jazz"]
    assert reliability.missed(reliability.by_label("genre", sure(clips, ["jazz"] * 80, 0.4))) == []


# --- comparisons ------------------------------------------------------------------------------------------------------


def better(predictions: Predictions, share: float) -> Predictions:
    """The truth about moods in a share of the clips."""
    outputs = {head: values.copy() for head, values in predictions.outputs.items()}
    for row, one in enumerate(predictions.clips):
        if one.mood and row % 10 < 10 * share:
            outputs["mood"][row] = np.eye(4)[MOODS.index(one.mood)] * 9
    return Predictions(clips=predictions.clips, outputs=outputs)


def test_a_difference_is_claimed_only_where_its_interval_excludes_none() -> None:
    clips = [clip("4q", n, mood=MOODS[n % 4]) for n in range(60)]
    first = compare.Side(name="a", runs=(answers(clips),))
    same = compare.Side(name="b", runs=(answers(clips), answers(clips)))
    best = compare.Side(name="c", runs=(better(answers(clips), 0.9), better(answers(clips, seed=2), 0.9)))
    assert {one.verdict for one in compare.differences(first, same)} == {"no difference shown"}
    verdicts = {one.name: one.verdict for one in compare.differences(first, best)}
    assert (verdicts["mood accuracy"], verdicts["mood log-loss"]) == ("better", "better")
    back = {one.name: one.verdict for one in compare.differences(best, first, only=("mood accuracy",))}
    assert back == {"mood accuracy": "worse"}
    assert "| mood accuracy | 4q | 60 |" in compare.text(first, best)


def test_runs_that_differ_in_their_seed_are_one_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, recipe, seed in (("a", "x", 1), ("b", "y", 1), ("c", "x", 2)):
        (tmp_path / name).mkdir()
        weights = {"mood": 1.0, "genre": 0.0 if recipe == "y" else 1.0}
        about = {"recipe": {"name": recipe, "seed": seed, "fit": {"weights": weights}}}
        save_model(fold_folder(tmp_path / name, 0) / "model.safetensors", {"x": torch.zeros(1)}, about)
    clips = labelled()
    heard = {"a": answers(clips), "b": answers(clips[:100]), "c": answers(clips[20:])}
    monkeypatch.setattr(evaluate, "predict", lambda _data, run, _progress: heard[run.name])
    first, second = compare.sides(tmp_path, [tmp_path / "a", tmp_path / "b", tmp_path / "c"], lambda *_: None)
    assert (first.name, len(first.runs), second.name, len(second.runs)) == ("a (2 seeds)", 2, "b", 1)
    assert [one.key for one in second.runs[0].clips] == [one.key for one in clips[20:100]]
    names = {one.name for one in compare.differences(first, second)}
    assert "mood accuracy" in names
    assert not {name for name in names if name.startswith("genre")}
    with pytest.raises(TaggerError, match="nothing to compare"):
        compare.sides(tmp_path, [tmp_path / "a", tmp_path / "c"], lambda *_: None)


# --- the report -------------------------------------------------------------------------------------------------------


@cache
def evaluated() -> findings.Findings:
    predictions = answers(labelled())
    lines = [answer(question) for question in figures.questions(predictions)]
    return findings.Findings(
        name="run",
        about={"recipe": {"name": "tiny", "seed": 7, "fit": {"epochs": 2}}, "seed": 7},
        plan=ChunkPlan(),
        adds={"mel": 9e6},
        parameters={"mel": 700_000},
        megabytes=3.6,
        predictions=predictions,
        lines=[*lines, *findings.counted(9e6, 3.6)],
        by_label=findings.by_label(predictions),
        within_genre=figures.mood_within_genre(predictions),
        labels=findings.labels(predictions),
        robustness=None,
    )


def test_an_evaluation_is_text_and_numbers(tmp_path: Path) -> None:
    text = findings.save(tmp_path, evaluated())
    assert (tmp_path / "evaluation.md").read_text() == text
    assert "| mood accuracy | 4q | 30 |" in text
    assert "| speech called music | speech, speaker held out |  | not measured |" in text
    stored = json.loads((tmp_path / "figures.json").read_text())
    assert {"name", "clips", "figure", "constant", "seeds"} == set(stored["figures"][0])
    assert len(stored["reliability"]) == len(MOODS) + len(GENRES)


def test_a_report_is_markdown_a_page_and_a_pdf(tmp_path: Path) -> None:
    figure = Figure(value=0.95, low=0.9, high=1, clips=20)
    condition = robustness.Condition(
        name="MP3, 64 kbit/s",
        of="clips, out of fold",
        same={"mood": figure, "genre": figure},
        shift={"mood": 0.01, "genre": 0.01},
    )
    robust = robustness.Robustness(conditions=[condition], equal_pairs=0, sample="Twenty clips.")
    found = replace(evaluated(), robustness=robust)
    other = compare.Side(name="mine", runs=(better(found.predictions, 0.9),))
    against = {"mine": compare.differences(compare.Side(name="run", runs=(found.predictions,)), other)}
    report.write(tmp_path, found, against)
    text = (tmp_path / "report.md").read_text()
    for heading in ("Abstract", "Data", "Method", "Results", "Reliability", "Robustness", "Ablations", "Limits"):
        assert f"\n## {heading}\n" in text
    for name in re.findall(r"\]\((pictures/[^)]+)\)", text):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(list((tmp_path / "pictures").iterdir())) == 7
    assert not re.search(r'(src|href)="(?!data:)', page)
    first = (tmp_path / "report.pdf").read_bytes()
    assert first.startswith(b"%PDF")
    pdf.write(report.compose(tmp_path / "pictures", found, against), tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes() == first


def test_a_fold_is_heard_as_the_daemon_hears_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "fold-0"
    run.mkdir()
    header = untrained(run / "bundle.safetensors")
    monkeypatch.setattr(evaluate, "fold_bundle", lambda _run, _fold: (run / "bundle.safetensors", header))
    seconds = (6.0, 1.0, 8.0)  # the second is too short to be heard
    clips = [
        clip("4q", n, write_audio(tmp_path, "ogg-opus", length, name=str(n), seed=n))
        for n, length in enumerate(seconds)
    ]
    heard = evaluate.predict_fold(tmp_path, 0, clips, lambda *_: None)
    assert heard.failures == {"4q/1": "too short"}

    analyzer = Analyzer(load(run / "bundle.safetensors"))
    decoded = read(os.fsencode(clips[2].path), header.plan, header.sample_rate_hz)
    assert isinstance(decoded, Decoded)
    (alone,) = analyzer.outputs([decoded])
    for head in LABELS:
        assert np.allclose(heard.outputs[head][1], alone.outputs[head], atol=1e-4)

    def never(*_: object) -> None:
        raise AssertionError("heard twice")

    monkeypatch.setattr(evaluate, "_hear", never)
    again = evaluate.predict_fold(tmp_path, 0, clips, lambda *_: None)
    assert again.failures == heard.failures
    with pytest.raises(AssertionError, match="heard twice"):
        evaluate.predict_fold(tmp_path, 0, clips[:2], lambda *_: None)


def test_clips_that_cannot_be_used_are_left_out_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.opus").write_text("no music")
    good = write_audio(tmp_path, "ogg-opus", 6.0)
    rows = (("good", good.name, "sad"), ("broken", "broken.opus", "sad"), ("gone", "gone.opus", "sad"),
            ("bare", good.name, ""))  # fmt: skip
    clips = tuple(clip("4q", 0, tmp_path / path, name=name, mood=mood or None) for name, path, mood in rows)
    monkeypatch.setattr(manifest, "read", lambda _data: clips)
    left_out = ["4q/gone (no such file)", "4q/bare (no label)"]

    decoded = samples.prepare(tmp_path, tmp_path / "run", lambda *_: None)
    assert [one.name for one in decoded.clips] == ["good"]
    assert list(map(str, decoded.left_out)) == [*left_out, "4q/broken (cannot be decoded)"]
    monkeypatch.setattr(samples, "_decode", None)  # not decoded again
    assert samples.prepare(tmp_path, tmp_path / "run", lambda *_: None).left_out == decoded.left_out
    words = manifest.left_out_text(decoded.left_out)
    assert words.startswith("left out 3 of the clips: 4q/gone (no such file), ")

    folder = fold_folder(tmp_path / "run", 0)
    header = untrained(folder / "bundle.safetensors")
    monkeypatch.setattr(evaluate, "fold_bundle", lambda _run, _fold: (folder / "bundle.safetensors", header))
    save_model(folder / "model.safetensors", {"x": torch.zeros(1)}, {"network": header.config["network"]})
    found = evaluate.predict(tmp_path, tmp_path / "run", lambda *_: None)
    assert [one.name for one in found.clips] == ["good"]
    assert list(map(str, found.left_out)) == [*left_out, "4q/broken (not an audio file that can be decoded)"]


def test_a_folder_without_a_usable_clip_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "read", lambda _data: (clip("4q", 0, tmp_path / "gone.opus", mood="sad"),))
    with pytest.raises(TaggerError, match=r"4q/0 \(no such file\)"):
        samples.prepare(tmp_path, tmp_path / "run", lambda *_: None)


def test_speakers_are_whole_folds(tmp_path: Path) -> None:
    (tmp_path / "clips" / "speech").mkdir(parents=True)
    for name in ("ru-00", "en-01", "en-00", "fr-00"):
        (tmp_path / "clips" / "speech" / f"{name}.opus").touch()
    found = manifest.speech(tmp_path)
    assert [(one.name, one.fold) for one in found] == [("en-00", 0), ("en-01", 0), ("fr-00", 1), ("ru-00", 2)]
    assert manifest.usable(found) == (found, ())


def test_predictions_of_an_untrained_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TaggerError, match="trainer train"):
        evaluate.predict_fold(tmp_path, 0, [], lambda *_: None)


def test_a_track_is_compared_with_itself_behind_a_codec(tmp_path: Path) -> None:
    untrained(tmp_path / "b.safetensors", temperature=1.0)
    track = write_audio(tmp_path, "flac", 12.0)
    (tmp_path / "text.mp3").write_text("no music")
    tracks = [track, tmp_path / "text.mp3"]
    found = robustness.measure_tracks(Analyzer(load(tmp_path / "b.safetensors")), tracks, lambda *_: None)
    assert [one.name for one in found] == [one.name for one in robustness.OF_TRACKS]
    assert {one.same["mood"].clips for one in found} == {1}
    opus, mono, _, twelve, _ = found
    assert 0 < opus.shift["mood"] < 0.5
    assert 0 < mono.shift["mood"] < opus.shift["mood"]
    assert twelve.shift == {"mood": 0, "genre": 0}  # twelve seconds hold two chunks, however many are asked for


def test_renditions_are_what_they_say(tmp_path: Path) -> None:
    track = write_audio(tmp_path, "flac", 6.0)
    heard = robustness.decoded(track, robustness.OF_CLIPS, ChunkPlan(), 16_000)
    assert set(heard) == {"as it is", *(one.name for one in robustness.OF_CLIPS)}
    sound = {name: np.frombuffer(one.samples, dtype="<i2").astype(float) for name, one in heard.items()}
    plain = sound["mono, 44.1 kHz"]
    assert np.abs(sound["a quarter as loud"] - plain / 4).max() < 5
    assert np.abs(sound["stereo, 44.1 kHz"] - plain).max() < 5
    assert np.square(sound["four times as loud"]).mean() > 4 * np.square(plain).mean()
    for name in ("MP3, 64 kbit/s", "MP3, 128 kbit/s", "mono, 48 kHz"):
        assert np.corrcoef(sound[name], plain)[0, 1] > 0.9, name

    def low(samples: np.ndarray) -> float:
        power = np.square(np.abs(np.fft.rfft(samples)))
        return float(power[: len(power) * 150 // 8_000].sum() / power.sum())

    assert low(sound[robustness.PHONE]) < low(plain) / 50


def test_a_sample_of_clips_is_heard_by_the_fold_that_never_met_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = []
    for n in range(3):
        clips.append(clip("4q", n, write_audio(tmp_path, "ogg-opus", 5.5, name=f"c{n}", seed=n), mood="sad"))
    for fold in range(3):
        untrained(tmp_path / f"{fold}.safetensors", seed=fold, temperature=1.0)
    bundles = {fold: tmp_path / f"{fold}.safetensors" for fold in range(3)}
    monkeypatch.setattr(robustness, "fold_bundle", lambda _run, fold: (bundles[fold], None))
    monkeypatch.setattr(robustness, "OF_CLIPS", robustness.OF_CLIPS[:1])
    found = robustness.measure_clips(tmp_path, answers(clips), lambda *_: None)
    assert [(one.name, one.same["genre"].clips) for one in found] == [("MP3, 128 kbit/s", 3)]
    assert found[0].mood_accuracy is not None
    whole = robustness.Robustness(conditions=found, equal_pairs=0, sample="three")
    robustness.save(tmp_path, whole)
    assert robustness.saved(tmp_path) == whole
    assert robustness.saved(tmp_path / "other") is None


def test_equal_numbers_of_different_clips_are_counted() -> None:
    predictions = answers(labelled())
    assert robustness.equal_pairs(predictions) == 0
    outputs = {head: values.copy() for head, values in predictions.outputs.items()}
    for values in outputs.values():
        values[1] = values[5] = values[0]
    assert robustness.equal_pairs(Predictions(clips=predictions.clips, outputs=outputs)) == 3


def test_folds_are_named_by_number_or_all() -> None:
    assert cli._folds(None) == [0, 1, 2, 3, 4, None]
    assert cli._folds(["3", "all"]) == [3, None]
    with pytest.raises(TaggerError, match="--fold 9: allowed are 0, 1, 2, 3, 4, all"):
        cli._folds(["9"])


def test_without_its_extra_the_trainer_names_it(tmp_path: Path) -> None:
    code = "import sys; sys.modules['librosa'] = None; from trainer.cli import main; sys.argv[0] = 'trainer'; main()"
    words = ("prepare", "--data", str(tmp_path), "--run", str(tmp_path / "run"))
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1] == "trainer: librosa is missing: pip install 'tagger[trainer]'"
    assert not (tmp_path / "run").exists()


def test_ratings_are_reported_set_by_set() -> None:
    clips = [one for one in labelled() if one.set != "mirex" or int(one.name) < 108]
    clips += [clip("mirex", 600 + n, cluster=CLUSTERS[n % 5]) for n in range(20)]
    found = asked(answers(clips))
    assert found["valence from words, Pearson r", "4q"].figure.clips == 30
    assert found["valence from words, Pearson r", "mirex"].figure.clips == 8


def test_a_wrong_fold_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(TaggerError, match="--fold 9"):
        cli.train(data=tmp_path, run=tmp_path / "run", fold=["9"])
    assert not (tmp_path / "run").exists()
