"""The main job from the command line: dry run, scan, query, undo, in real processes, on real files."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import audio, bundles

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "untrained.safetensors"
    bundles.untrained(path)
    return path


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Three recordings in three formats, a copy of one, and a text that says it is music."""
    folder = tmp_path / "music"
    (folder / "album").mkdir(parents=True)
    for seed, kind in enumerate(("mp3", "flac", "ogg-opus")):
        audio.write_audio(folder / "album", kind, 3.0, name=kind, seed=seed)
    shutil.copy(folder / "album" / "mp3.mp3", folder / "copy.mp3")
    (folder / "text.mp3").write_text("no music at all\n" * 50)
    return folder


@pytest.fixture
def run(tmp_path: Path, bundle: Path) -> Run:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "config.toml").write_text(f'[model]\nbundle = "{bundle}"\n[library]\nsettle_s = 0\n')
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TAGGER_", "XDG_"))}
    environ = {**clean, "HOME": str(home), "TAGGER_CONFIG": str(tmp_path / "config.toml"), "OMP_NUM_THREADS": "1"}

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tagger.cli", *words],
            env=environ,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    return call


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def counts(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """The last line of stdout is one object."""
    parsed = json.loads(done.stdout.splitlines()[-1])
    assert list(parsed) == ["seen", "unchanged", "analyzed", "written", "skipped", "failed", "missing"]
    assert isinstance(parsed, dict)
    return parsed


def test_the_whole_way(run: Run, music: Path) -> None:
    """Dry run touches nothing and says what the scan then writes; a second scan does nothing; undo is byte for byte."""
    before = hashes(music)
    dry = run("scan", "--dry-run", "--json", str(music))
    assert hashes(music) == before
    assert dry.returncode == 3
    shown = run("scan", "--dry-run", str(music))
    assert [sum(line.endswith(name) for line in shown.stdout.splitlines()) for name in ("copy.mp3", "flac.flac")] == [
        1,
        1,
    ]

    real = run("scan", "--yes", "--json", str(music))
    assert real.returncode == 0, real.stderr  # the text failed before, and is not tried again at once
    assert counts(real)["written"] == counts(dry)["written"] == 4
    assert counts(dry)["failed"] == 1
    assert (counts(dry)["seen"], counts(dry)["analyzed"], counts(real)["analyzed"]) == (5, 3, 0)
    changed = {name for name, digest in hashes(music).items() if digest != before[name]}
    assert changed == set(before) - {"text.mp3"}

    again = run("scan", "--yes", "--json", str(music))
    assert (counts(again)["analyzed"], counts(again)["written"], again.returncode) == (0, 0, 0)

    explained = json.loads(run("explain", "--json", str(music / "copy.mp3")).stdout)
    assert explained["decision"]["outcome"] == "written"
    assert explained["journal"][0]["written"]["TAGGER_MOOD"] == [explained["mood"]]

    undone = run("undo", "--all", "--yes", "--json")
    assert undone.returncode == 0, undone.stderr
    assert json.loads(undone.stdout)["undone"] == 4
    assert hashes(music) == before
    assert counts(run("scan", "--yes", "--json", str(music)))["written"] == 0

    lifted = run("write", "--again", "--json", str(music / "copy.mp3"))
    assert lifted.returncode == 0, lifted.stderr
    assert {name for name, digest in hashes(music).items() if digest != before[name]} == {"copy.mp3"}


def test_a_bundle_with_a_wrong_hash_stops_before_any_work(run: Run, music: Path, tmp_path: Path, bundle: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    content = bytearray(bundle.read_bytes())
    content[-100] ^= 0xFF
    damaged.write_bytes(content)
    (tmp_path / "config.toml").write_text(f'[model]\nbundle = "{damaged}"\n')
    before = hashes(music)
    done = run("scan", "--yes", str(music))
    assert done.returncode == 2, done.stderr
    assert "wrong content hash" in done.stderr
    assert hashes(music) == before


def test_a_folder_that_is_only_read_and_is_none_of_the_library(run: Run, music: Path, tmp_path: Path) -> None:
    config, text = tmp_path / "config.toml", (tmp_path / "config.toml").read_text()
    (tmp_path / "elsewhere").mkdir()
    named = [music / "album", music, tmp_path, music / "albun", tmp_path / "elsewhere"]
    config.write_text(text + f"read_only = {json.dumps([str(folder) for folder in named])}\n")
    done = run("scan", "--dry-run", "--yes", str(music))
    warned = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("library.read_only")]
    assert warned == [
        f"library.read_only: {music / 'albun'} does not exist",
        f"library.read_only: {tmp_path / 'elsewhere'} lies in none of the folders of the library, nor they in it",
    ]


def test_a_folder_that_is_only_read(run: Run, music: Path, tmp_path: Path) -> None:
    """Dry run, scan, explain and status say so; what was written there before comes back."""
    (music / "text.mp3").unlink()
    before = hashes(music)
    assert counts(run("scan", "--yes", "--json", str(music / "album")))["written"] == 3
    config = tmp_path / "config.toml"
    config.write_text(config.read_text() + f'read_only = ["{music / "album"}"]\n')
    shutil.copy(music / "copy.mp3", music / "album" / "later.mp3")
    told = "library.read_only"
    dry = run("scan", "--dry-run", str(music)).stdout
    assert told in dry[dry.index("later.mp3") :].splitlines()[1]
    assert counts(run("scan", "--yes", "--json", str(music)))["written"] == 1
    assert hashes(music)["later.mp3"] == before["copy.mp3"]
    explained = json.loads(run("explain", "--json", str(music / "album" / "later.mp3")).stdout)
    assert explained["decision"]["outcome"] == "refused"
    assert told in explained["decision"]["reason"]
    assert explained["mood"]
    assert told in run("status").stdout
    undone = run("undo", "--all", "--yes", "--json")
    assert (json.loads(undone.stdout)["undone"], undone.returncode) == (4, 0), undone.stderr
    assert hashes(music) == before | {"later.mp3": before["copy.mp3"]}
