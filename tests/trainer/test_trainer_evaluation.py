"""What evaluation claims of itself: who is counted, what a temperature has seen, what is heard, what is refused."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tagger.analysis.analyzer import Analyzer
from tagger.analysis.bundle import load
from tagger.analysis.calibration import calibrated
from tagger.analysis.decode import read
from tagger.records import Decoded, TaggerError
from tagger.vocabulary import GENRES, MOODS
from tests.audio import write_audio
from tests.bundles import untrained
from trainer import cli, drift, evaluate, metrics, report
from trainer.evaluate import Predictions
from trainer.manifest import CLUSTERS, Clip
from trainer.targets import LABELS


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few resamples: these tests ask what is counted, not how wide an interval is."""
    monkeypatch.setattr(report, "with_interval", partial(metrics.with_interval, resamples=20))


def clip(set_name: str, number: int, path: Path = Path("none"), **labels: object) -> Clip:
    empty: dict[str, object] = dict.fromkeys(("mood", "mood_weight", "cluster", "rated", "words"))
    values = {**empty, "genres": (), "fold": number % 5, "group": f"artist {number // 2}", **labels}
    return Clip(set=set_name, name=str(number), path=path, **values)  # type: ignore[arg-type]


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


@pytest.mark.usefixtures("quick")
def test_ishkur_is_in_no_figure() -> None:
    without = answers(labelled())
    ishkur = answers([clip("ishkur", 900 + n, genres=("electronic",)) for n in range(60)], seed=1)
    assert report.lines(joined(without, ishkur)) == report.lines(without)


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
    found = report._in_set(Predictions(clips=tuple(clips), outputs=outputs))
    assert (found.figure.value, found.constant, found.figure.clips) == (0.4, 0.6, 10)


@pytest.mark.usefixtures("quick")
def test_the_report_is_text_numbers_and_pictures(tmp_path: Path) -> None:
    text, figures = report.write(tmp_path, answers(labelled()), [], [("seed", "7")])
    folder = tmp_path / "report"
    assert (folder / "report.md").read_text() == text
    assert "- seed: 7" in text
    stored = json.loads((folder / "report.json").read_text())
    assert [line["name"] for line in stored] == [line.name for line in figures]
    assert all(line["figure"]["low"] <= line["figure"]["high"] for line in stored)
    for head in ("mood", "genre", "cluster"):
        for kind in ("confusion", "reliability"):
            assert (folder / f"{kind}-{head}.png").read_bytes().startswith(b"\x89PNG")


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
    heard, outputs = evaluate.predict_fold(tmp_path, 0, clips, lambda *_: None)
    assert heard.tolist() == [True, False, True]

    analyzer = Analyzer(load(run / "bundle.safetensors"))
    decoded = read(os.fsencode(clips[2].path), header.plan, header.sample_rate_hz)
    assert isinstance(decoded, Decoded)
    (alone,) = analyzer.outputs([decoded])
    for head in LABELS:
        assert np.allclose(outputs[head][2], alone.outputs[head], atol=1e-4)

    def never(*_: object) -> None:
        raise AssertionError("heard twice")

    monkeypatch.setattr(evaluate, "_hear", never)
    again, _ = evaluate.predict_fold(tmp_path, 0, clips, lambda *_: None)
    assert again.tolist() == heard.tolist()
    with pytest.raises(AssertionError, match="heard twice"):
        evaluate.predict_fold(tmp_path, 0, clips[:2], lambda *_: None)


def test_a_clip_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    broken = tmp_path / "broken.opus"
    broken.write_text("no music")
    header = untrained(tmp_path / "b.safetensors")
    with pytest.raises(TaggerError, match=r"broken\.opus"):
        evaluate._decoded(broken, header.plan, header.sample_rate_hz)


def test_predictions_of_an_untrained_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TaggerError, match="trainer train"):
        evaluate.predict_fold(tmp_path, 0, [], lambda *_: None)


def test_drift_compares_a_track_with_itself_behind_the_codec(tmp_path: Path) -> None:
    untrained(tmp_path / "b.safetensors", temperature=1.0)
    track = write_audio(tmp_path, "flac", 12.0)
    (tmp_path / "text.mp3").write_text("no music")
    (found,) = drift.measure(
        Analyzer(load(tmp_path / "b.safetensors")), [track, tmp_path / "text.mp3"], lambda *_: None
    )
    assert found.track == track.name
    assert 0 < found.shift("mood") < 0.5
    assert found.before.chunks == found.after.chunks


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


@pytest.mark.usefixtures("quick")
def test_ratings_are_reported_set_by_set() -> None:
    clips = [one for one in labelled() if one.set != "mirex" or int(one.name) < 108]
    clips += [clip("mirex", 600 + n, cluster=CLUSTERS[n % 5]) for n in range(20)]
    counted = {(line.name, line.clips): line.figure.clips for line in report.lines(answers(clips))}
    assert counted["valence from words, Pearson r", "4q"] == 30
    assert counted["valence from words, Pearson r", "mirex"] == 8


def test_a_wrong_fold_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(TaggerError, match="--fold 9"):
        cli.train(data=tmp_path, run=tmp_path / "run", fold=["9"])
    assert not (tmp_path / "run").exists()
