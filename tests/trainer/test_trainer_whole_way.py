"""The four commands on a tiny data set; and a training that was stopped goes on as if it had not."""

import io
import os
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch

from tagger.analysis.analyzer import Analyzer
from tagger.analysis.bundle import load
from tagger.analysis.decode import read
from tagger.records import Decoded
from tests.audio import write_audio
from trainer import distill, fit, intervals, loop, pool, recipe, samples, soft
from trainer.checkpoint import load_model
from trainer.cli import app
from trainer.crops import prepare
from trainer.export import default_bundle

HEADER = (
    "set,clip,path,fold,group,mood_tags,mood,mood_weight,cluster,genre_candidates,"
    "valence,arousal,dominance,rated_valence,rated_arousal"
)
MOODS, GENRES = ("happy", "angry", "sad", "calm"), ("pop", "rock", "metal")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    """Thirty clips of made music, six a fold, every kind of label; the teacher's own weights."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "clips").mkdir()
    (folder / "tracks").mkdir()
    shutil.copytree(shared_data / "data" / "pretrained", folder / "pretrained")
    (folder / "teacher").mkdir()
    np.save(folder / "teacher" / "clips.npy", np.array([f"4q/c{number}" for number in range(10)]))
    for name in soft.TAGGERS:
        embedding = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float16)
        np.savez(folder / "teacher" / f"{name}.npz", embedding=embedding)
    rows = [HEADER]
    for number in range(30):
        path = write_audio(folder / "clips", "ogg-opus", 6.0, name=f"c{number}", seed=number)
        fold, kind = number % 5, number // 5
        genre, mood = GENRES[number % 3], MOODS[number % 4]
        numbers = f"{2 + number % 6},{7 - number % 5},{3 + number % 4}"
        cells = {
            0: f"4q,c{number},{mood},1,,{genre},{numbers},,",
            1: f"4q,c{number},{mood},1,,pop|{genre},{numbers},,",
            2: f"mirex,c{number},,,{1 + number % 5},,,,,,",
            3: f"musifeast,c{number},,,,{genre},,,,0.{1 + number % 8},0.{9 - number % 7}",
            4: f"gtzan,c{number},,,,{genre},,,,,",
            5: f"nhs,c{number},,,,world,,,,0.{2 + number % 7},0.{1 + number % 5}",
        }[kind].split(",")
        group = f"artist{number % 15}-{fold}"
        rows.append(",".join([*cells[:2], f"clips/{path.name}", str(fold), group, "Fun|Sweet", *cells[2:]]))
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = recipe.shipped("default").read_text()
    for old, new in (
        ("crops_per_fold = 30000", "crops_per_fold = 6"),
        ("crops = 192000", "crops = 40"),
        ("batch = 64\npeak_rate = 3e-3", "batch = 8\npeak_rate = 3e-3"),
        ("crops = 32000", "crops = 32"),
        ("batch = 32\npeak_rate = 2e-3", "batch = 8\npeak_rate = 2e-3"),
        ("renderings = 3", "renderings = 2"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(text)
    return path


def command(*words: str) -> str:
    """In this process: five starts of it would take longer than what is done."""
    said = io.StringIO()
    with redirect_stdout(said):
        app(list(words), standalone_mode=False)
    return said.getvalue()


def test_from_clips_to_a_bundle_that_hears(
    data: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 20)
    where = ("--data", str(data), "--run", str(tmp_path / "run"))
    command("prepare", *where, "--recipe", str(tiny))
    command("train", *where, "--recipe", str(tiny))
    report = command("evaluate", *where)
    assert "| mood accuracy | 4q | 10 |" in report
    target, again = tmp_path / "b.safetensors", tmp_path / "again.safetensors"
    command("export", *where, "--target", str(target))
    bundle = load(target)
    header = bundle.header
    default_bundle(
        tmp_path / "run",
        again,
        version=header.version,
        temperatures=header.temperatures,
        cuts=header.emotion_cuts,
        gates=header.gates,
        card=header.card,
    )
    assert again.read_bytes() == target.read_bytes()
    assert "mood accuracy" in target.with_suffix(".md").read_text()
    decoded = read(os.fsencode(data / "clips" / "c0.opus"), bundle.header.plan, bundle.header.sample_rate_hz)
    assert isinstance(decoded, Decoded)
    assert Analyzer(bundle).analyze([decoded])[0].mood in MOODS


class StoppedError(Exception):
    pass


def test_a_stopped_training_goes_on_as_if_it_had_not(
    data: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = recipe.load(tiny)
    monkeypatch.setattr(loop, "SAVE_EVERY_STEPS", 2)

    def stop_at(what: str, at: int) -> samples.Progress:
        def progress(done: int, total: int, text: str) -> None:
            if text.startswith(what) and done == at:
                raise StoppedError

        return progress

    def never(done: int, total: int, text: str) -> None:
        return

    weights = []
    for name in ("straight", "stopped"):
        run = tmp_path / name
        decoded = samples.prepare(data, run, never)
        for fold in range(1, 5):
            pool.build(data, run, decoded, fold, settings, never)
        crops = prepare(run, decoded, settings, never)
        if name == "stopped":
            with pytest.raises(StoppedError):
                distill.train(run, decoded.clips, 0, settings, stop_at("distil", 3))
        distill.train(run, decoded.clips, 0, settings, never)
        if name == "stopped":
            with pytest.raises(StoppedError):
                fit.train(data, run, decoded.clips, crops, 0, settings, stop_at("learn", 3))
        fit.train(data, run, decoded.clips, crops, 0, settings, never)
        weights.append(load_model(run / "fold-0" / "model.safetensors").tensors)
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
