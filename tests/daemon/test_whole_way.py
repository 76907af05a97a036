"""The whole way of files, with real processes: scan, query, undo, kill, serve."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import bundles
from tests.audio import write_audio

KINDS = ("mp3", "flac", "ogg-vorbis", "ogg-opus", "m4a", "wav", "aiff")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sure of itself, so that the gates are passed."""
    path = tmp_path_factory.mktemp("bundle") / "b.safetensors"
    bundles.untrained(path, temperature=0.005)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for number, kind in enumerate(KINDS):
        write_audio(folder, kind, 3.0, name=kind, seed=number)
    return folder


class Place:
    """A music folder with settings, catalog and HOME of its own."""

    def __init__(self, folder: Path, made: Path, bundle: Path) -> None:
        self.music = folder / "music"
        shutil.copytree(made, self.music)
        self.catalog = folder / "state" / "catalog.sqlite"
        self.config = folder / "config.toml"
        self.config.write_text(
            f'[library]\nsettle_s = 0.4\n[model]\nbundle = "{bundle}"\n[workers]\nfile_workers = 2\nidle_s = 2\n'
        )
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TAGGER_", "XDG_"))},
            "HOME": str(folder),
            "TAGGER_CATALOG": str(self.catalog),
            "TAGGER_CONFIG": str(self.config),
            "OMP_NUM_THREADS": "1",
        }

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "tagger.cli", *words],
            env=self.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *words: str, code: int = 0) -> str:
        process = self.start(*words)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, (process.returncode, out, err)
        return out if code != 2 else err

    def scan(self, *words: str, code: int = 0) -> dict[str, int]:
        return json.loads(self.run("scan", str(self.music), "--json", *words, code=code).splitlines()[-1])

    def query(self, *words: str) -> dict[str, dict[str, object]]:
        rows = json.loads(self.run("query", "--format", "json", *words))
        return {os.path.basename(row["path"]): row for row in rows}

    def explain(self, name: str) -> dict[str, object]:
        return json.loads(self.run("explain", str(self.music / name), "--json"))

    def contents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.music.rglob("*") if path.is_file()}

    def journal(self, sql: str) -> list[tuple[object, ...]]:
        with sqlite3.connect(self.catalog.with_name("journal.sqlite")) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def place(tmp_path: Path, made: Path, bundle: Path) -> Place:
    return Place(tmp_path, made, bundle)


def until(true: Callable[[], object], seconds: float = 40.0) -> None:
    """Waits for what another process will have done; fails when it has not."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


# --- scan -------------------------------------------------------------------------------------------------------------


def test_scan_writes_undo_restores_and_undone_stays_undone(place: Place, need: Callable[[str], str]) -> None:
    before = place.contents()
    for name in ("text.mp3", "copy of text.mp3"):
        (place.music / name).write_text("no music\n" * 100)
    shutil.copy(place.music / "flac.flac", place.music / "twin.flac")
    (place.music / "empty.flac").write_bytes(b"")
    dry = place.scan("--dry-run", code=3)
    assert {name: content for name, content in place.contents().items() if name in before} == before
    counts = place.scan()
    assert (dry["written"], dry["analyzed"], dry["failed"]) == (8, 7, 3)
    assert (counts["seen"], counts["analyzed"], counts["written"], counts["failed"]) == (11, 0, 8, 0)
    rows = place.query()
    assert len(rows) == 11
    for name in before:
        told = place.explain(name)
        assert told["decision"]["outcome"] == "written"  # type: ignore[index]
        assert told["journal"][0]["written"]["TAGGER_GENRE"] == [rows[name]["genre_predicted"]]  # type: ignore[index]
    assert [failure["reason"] for failure in place.explain("empty.flac")["failures"]] == ["empty file"]  # type: ignore[attr-defined, index]
    for name in ("text.mp3", "copy of text.mp3"):
        assert place.explain(name)["failures"], name
    again = place.scan()
    assert (again["analyzed"], again["written"], again["unchanged"]) == (0, 0, 11)
    undone = json.loads(place.run("undo", "--all", "--yes", "--json"))
    assert (undone["undone"], undone["failed"]) == (8, 0)
    assert {name: content for name, content in place.contents().items() if name in before} == before
    still = place.scan()
    assert still["written"] == still["analyzed"] == 0
    assert {name: content for name, content in place.contents().items() if name in before} == before
    place.run("write", "--again", str(place.music / "flac.flac"))
    assert place.contents()["flac.flac"] != before["flac.flac"]
    assert place.contents()["mp3.mp3"] == before["mp3.mp3"]


def test_other_readers_see_what_query_says_and_the_gates_hold(place: Place, need: Callable[[str], str]) -> None:
    ffprobe = need("ffprobe")
    place.scan()
    for name, row in place.query().items():
        command = [
            ffprobe,
            "-v",
            "error",
            "-show_entries",
            "format_tags:stream_tags",
            "-of",
            "json",
            place.music / name,
        ]
        shown = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        tags = {**shown["format"].get("tags", {}), **shown.get("streams", [{}])[0].get("tags", {})}
        tags = {key.upper(): value for key, value in tags.items()}
        assert tags["TAGGER_GENRE"] == row["genre_predicted"]
        assert tags["TAGGER_MOOD"] == row["mood"]
        sure = row["genre_confidence"] >= (0.7 if row["genre_predicted"] == "disco" else 0.5)  # type: ignore[operator]
        assert tags.get("GENRE", "").casefold() == (row["genre_predicted"] if sure else "")
        sure = row["mood_confidence"] >= 0.5  # type: ignore[operator]
        assert tags.get("MOOD", tags.get("TMOO", "")).casefold() == (row["mood"] if sure else "")


def test_what_has_no_tags_is_heard_and_says_so(tmp_path: Path, bundle: Path) -> None:
    folder = tmp_path / "heard"
    folder.mkdir()
    for kind in ("adts", "matroska", "dsf"):
        write_audio(folder, kind, 3.0, name=kind)
    place = Place(tmp_path, folder, bundle)
    before = place.contents()
    counts = place.scan()
    assert (counts["analyzed"], counts["written"], counts["failed"]) == (3, 1, 0)
    rows = place.query()
    for name in ("adts.aac", "matroska.mka"):
        assert place.contents()[name] == before[name]
        assert rows[name]["mood"]
        decision = place.explain(name)["decision"]
        assert (decision["outcome"], "never written" in decision["reason"]) == ("refused", True)  # type: ignore[index]
    place.run("undo", "--all", "--yes")
    assert place.contents() == before


def test_what_is_no_music_gets_no_tag_and_says_why(place: Place, tmp_path: Path) -> None:
    deaf = tmp_path / "deaf.safetensors"
    bundles.untrained(deaf, temperature=0.005, music_threshold=1.01)  # nothing can be so sure
    place.config.write_text(re.sub('bundle = ".*"', f'bundle = "{deaf}"', place.config.read_text()))
    before = place.contents()
    assert place.scan()["written"] == 0
    assert place.contents() == before
    assert place.query() == {}
    assert set(place.query("--all-audio")) == set(before)
    decision = place.explain("mp3.mp3")["decision"]
    assert isinstance(decision, dict)
    assert decision["outcome"] == "not music"
    assert decision["notes"]["music"].endswith("needs 1.01")
    assert json.loads(place.run("status", "--json"))["not_music"] == len(before)
    assert place.scan()["analyzed"] == 0


def test_a_dry_run_decides_nothing(place: Place) -> None:
    (place.music / "wav.wav").chmod(0o444)
    dry = place.scan("--dry-run")
    told = place.explain("wav.wav")["decision"]
    assert told["outcome"] == "dry run"  # type: ignore[index]
    assert "would be refused" in told["reason"]  # type: ignore[index]
    counts = place.scan()
    for name in ("written", "skipped", "unchanged"):
        assert counts[name] == dry[name], name
    assert (counts["written"], counts["skipped"]) == (6, 1)
    assert place.explain("wav.wav")["decision"]["outcome"] == "refused"  # type: ignore[index]


def test_a_dry_run_says_what_the_scan_then_writes_and_what_it_refuses(place: Place) -> None:
    (place.music / "wav.wav").chmod(0o444)
    with (place.music / "mp3.mp3").open("r+b") as file:
        file.truncate((place.music / "mp3.mp3").stat().st_size + (4 << 20))
    said = place.run("scan", str(place.music), "--dry-run")
    shown = {head.rpartition("/")[2]: lines for head, *lines in _paragraphs(said)}
    assert shown["wav.wav"] == ["not written: the file's mode forbids writing (0444)"]
    assert shown["mp3.mp3"] == ["not written: the file has holes: an incomplete download"]
    place.scan()
    for name in place.contents():
        told: Any = place.explain(name)
        if told["decision"]["outcome"] == "written":
            (entry,) = told["journal"]
            wanted = {
                f"{field}: {'; '.join(entry['replaced'][field])} -> {'; '.join(values)}".replace(":  ->", ":")
                for field, values in entry["written"].items()
                if field != "TAGGER_DATE"
            }
            kept = {
                f"{name}: not written: {why}" for name, why in told["decision"]["notes"].items() if why != "to write"
            }
            assert {line for line in shown[name] if not line.startswith("TAGGER_DATE: ")} == wanted | kept
        else:
            assert shown[name][0].startswith(f"not written: {told['decision']['reason']}")


def _paragraphs(text: str) -> list[list[str]]:
    """A line and those below it that are indented."""
    parts: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("  "):
            parts[-1].append(line.strip())
        else:
            parts.append([line])
    return parts


def test_write_takes_the_paths_that_are_named(place: Place) -> None:
    before = place.contents()
    place.scan("--dry-run")
    written = json.loads(place.run("write", str(place.music / "flac.flac"), "--json"))
    assert written["written"] == 1
    assert {name for name, content in place.contents().items() if content != before[name]} == {"flac.flac"}
    assert json.loads(place.run("write", "--json"))["written"] == 6


def test_moved_and_retagged_files_are_not_heard_again(place: Place) -> None:
    place.scan()
    (place.music / "new").mkdir()
    (place.music / "flac.flac").rename(place.music / "new" / "renamed.flac")
    counts = place.scan()
    assert (counts["analyzed"], counts["written"]) == (0, 0)
    assert place.explain("new/renamed.flac")["journal"]
    undone = json.loads(place.run("undo", str(place.music / "new"), "--yes", "--json"))
    assert undone["undone"] == 1


def test_with_the_catalog_deleted_everything_can_be_undone(place: Place) -> None:
    before = place.contents()
    place.scan()
    place.run("undo", str(place.music / "mp3.mp3"), "--yes")
    for path in place.catalog.parent.glob("catalog.sqlite*"):
        path.unlink()
    counts = place.scan()
    assert (counts["analyzed"], counts["written"]) == (7, 0)
    assert place.contents()["mp3.mp3"] == before["mp3.mp3"]
    place.run("undo", "--all", "--yes")
    assert place.contents() == before


def test_history_tells_runs_fields_and_what_is_undone_also_without_a_catalog(place: Place) -> None:
    place.scan()
    place.run("undo", str(place.music / "mp3.mp3"), "--yes")
    shutil.copy(place.music / "mp3.mp3", place.music / "later.mp3")
    with (place.music / "later.mp3").open("ab") as file:
        file.write(file.name.encode())  # another recording
    place.scan()
    told = json.loads(place.run("history", "--json"))
    assert [(run["run"], run["writes"], run["undone"]) for run in told["runs"]] == [(2, 1, 0), (1, 7, 1)]
    assert [entry["kind"] for entry in told["writes"]] == ["write", "undo", *["write"] * 7]
    undone, written = json.loads(place.run("history", str(place.music / "mp3.mp3"), "--json"))["writes"]
    assert (undone["run"], written["run"], written["undone"]) == (None, 1, True)
    assert written["written"]["TAGGER_GENRE"] == undone["replaced"]["TAGGER_GENRE"]
    shown = place.run("history", "--limit", "1")
    assert "TAGGER_GENRE: - -> " in shown
    assert "older ones are left out" in shown
    for path in place.catalog.parent.glob("catalog.sqlite*"):
        path.unlink()
    assert json.loads(place.run("history", "--json"))["runs"] == told["runs"]
    assert "nothing was written there" in place.run("history", "/elsewhere")


def test_a_run_is_taken_back_to_the_byte_and_foretold(place: Place) -> None:
    before = place.contents()
    settings = place.config.read_text()
    place.config.write_text(settings + '[tags]\nmood = "off"\ncustom = false\n')
    place.scan()
    between = place.contents()
    place.config.write_text(settings)
    place.scan()
    after = place.contents()
    assert after != between != before
    dry = json.loads(place.run("undo", "--run", "2", "--dry-run", "--json"))
    assert place.contents() == after
    assert "to the byte" in place.run("undo", "--run", "2", "--dry-run")
    assert dry == json.loads(place.run("undo", "--run", "2", "--yes", "--json"))
    assert (dry["undone"], dry["partly"], dry["failed"]) == (7, 0, 0)
    assert place.contents() == between
    assert place.scan()["written"] == 0
    assert place.contents() == between
    assert "tagger history" in place.run("undo", "--run", "3", "--yes", code=2)
    assert "tagger history" in place.run("undo", "--bundle", "another", "--yes", code=2)
    assert json.loads(place.run("undo", "--since", "2100-01-01", "--yes", "--json"))["undone"] == 0
    undone = json.loads(place.run("undo", "--since", "1h", str(place.music), "--yes", "--json"))
    assert (undone["failed"], undone["partly"]) == (0, 0)
    assert place.contents() == before


def test_what_is_pruned_comes_back_field_by_field_and_says_so(place: Place) -> None:
    place.scan()
    cost = json.loads(place.run("status", "--json"))["journal"]
    assert cost["records"] == cost["writes"] == 7
    kept = json.loads(place.run("history", "prune", "--older-than", "1d", "--yes", "--json"))
    assert kept == {"pruned": 0, "freed_bytes": 0}
    pruned = json.loads(place.run("history", "prune", "--older-than", "2100-01-01", "--yes", "--json"))
    assert pruned == {"pruned": 7, "freed_bytes": cost["undo_bytes"]}
    assert place.scan()["written"] == 0
    flac = str(place.music / "flac.flac")
    assert "its undo record was pruned" in place.run("undo", flac, "--dry-run")
    undone = json.loads(place.run("undo", flac, "--yes", "--json"))
    assert (undone["undone"], undone["partly"]) == (1, 1)
    assert place.query()["flac.flac"]["genre_source"] == "model"
    assert place.scan()["written"] == 0


def test_a_vanished_root_marks_nothing_missing(place: Place) -> None:
    place.scan()
    hidden = place.music.rename(place.music.with_name("hidden"))
    place.music.mkdir()
    assert place.scan()["missing"] == 0
    assert len(place.query()) == 7
    place.music.rmdir()
    hidden.rename(place.music)
    (place.music / "wav.wav").unlink()
    assert place.scan()["missing"] == 1
    assert "wav.wav" not in place.query()


def test_a_wrong_bundle_stops_before_any_work(place: Place, tmp_path: Path, bundle: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    content = bytearray(bundle.read_bytes())
    content[-1] ^= 1
    broken.write_bytes(content)
    place.config.write_text(f'[model]\nbundle = "{broken}"\n')
    before = place.contents()
    assert "wrong content hash" in place.run("scan", str(place.music), code=2)
    assert place.contents() == before
    assert not place.catalog.exists()


def test_a_killed_scan_leaves_whole_files_and_the_next_one_finishes(place: Place) -> None:
    before = place.contents()
    process = place.start("scan", str(place.music))
    journal = place.catalog.with_name("journal.sqlite")
    until(lambda: journal.exists() and _rows(journal) >= 2)
    process.kill()
    process.wait()
    place.scan()
    assert not list(place.music.glob(".tagger-*"))
    assert all(state == "renamed" for (state,) in place.journal("SELECT state FROM writes WHERE state != 'dropped'"))
    assert place.contents() != before
    place.run("undo", "--all", "--yes")
    assert place.contents() == before


def _rows(journal: Path) -> int:
    try:
        with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as connection:
            return int(connection.execute("SELECT count(*) FROM writes").fetchone()[0])
    except sqlite3.Error:
        return 0


# --- serve ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def daemon(place: Place) -> Iterator["subprocess.Popen[str]"]:
    (place.music / "mp3.mp3").rename(place.music.parent / "mp3.mp3")
    process = place.start("serve", str(place.music))
    until(lambda: place.catalog.exists() and len(place.query()) == 6 and _watching(place))
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


def _watching(place: Place) -> bool:
    return all(row["mood"] for row in place.query().values()) and place.catalog.with_name("control.sock").exists()


def children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def test_the_daemon_takes_new_files_does_what_it_is_asked_and_stops(
    place: Place, daemon: "subprocess.Popen[str]", need: Callable[[str], str]
) -> None:
    need("ps")
    whole = (place.music.parent / "mp3.mp3").read_bytes()
    with (place.music / "slow.mp3").open("wb") as file:  # copied in slowly: taken once, when complete
        for start in range(0, len(whole), len(whole) // 4):
            file.write(whole[start : start + len(whole) // 4])
            file.flush()
            time.sleep(0.25)
    until(lambda: place.query().get("slow.mp3", {}).get("mood"))
    until(lambda: (place.music / "slow.mp3").read_bytes() != whole)
    assert place.journal("SELECT count(*) FROM writes WHERE CAST(path AS TEXT) LIKE '%slow.mp3'") == [(1,)]
    assert "is running" in place.run("scan", str(place.music), code=2)
    written = (place.music / "slow.mp3").read_bytes()
    assert "to the byte" in place.run("undo", str(place.music / "slow.mp3"), "--dry-run")
    assert (place.music / "slow.mp3").read_bytes() == written
    assert json.loads(place.run("history", "prune", "--older-than", "1d", "--yes", "--json"))["pruned"] == 0
    undone = json.loads(place.run("undo", str(place.music / "slow.mp3"), "--since", "1h", "--yes", "--json"))
    assert undone["undone"] == 1
    assert (place.music / "slow.mp3").read_bytes() == whole
    (place.music / "slow.mp3").rename(place.music / "moved.mp3")
    until(lambda: "moved.mp3" in place.query() and "slow.mp3" not in place.query())
    until(lambda: children(daemon.pid) == [])  # idle: the workers are gone
    assert (place.music / "moved.mp3").read_bytes() == whole
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=10) == 0
    assert not place.catalog.with_name("control.sock").exists()
    assert len(place.query()) == 7


def test_a_worker_that_is_killed_is_replaced(
    place: Place, daemon: "subprocess.Popen[str]", need: Callable[[str], str]
) -> None:
    need("ps")
    for pid in children(daemon.pid):
        os.kill(pid, signal.SIGKILL)
    shutil.copy(place.music.parent / "mp3.mp3", place.music / "later.mp3")
    until(lambda: place.query().get("later.mp3", {}).get("mood"))
    daemon.send_signal(signal.SIGINT)
    assert daemon.wait(timeout=10) == 0


def test_main_killed_takes_its_workers_along_and_the_next_start_works(
    place: Place, daemon: "subprocess.Popen[str]", need: Callable[[str], str]
) -> None:
    need("ps")
    shutil.copy(place.music.parent / "mp3.mp3", place.music / "later.mp3")
    until(lambda: children(daemon.pid))
    workers = children(daemon.pid)
    daemon.kill()
    daemon.wait()
    until(lambda: not any(Path(f"/proc/{pid}").exists() and children(1) and _alive(pid) for pid in workers), 15)
    assert place.scan()["seen"] == 7


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]
    except OSError:
        return False


def test_each_process_loads_only_its_own(root: Path) -> None:
    def loaded(module: str) -> set[str]:
        code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
        done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
        return set(done.stdout.split())

    assert not {"torch", "av", "numpy", "mutagen"} & loaded("tagger.daemon.service")
    assert not {"torch", "sqlalchemy", "watchdog", "apscheduler"} & loaded("tagger.daemon.file_worker")
    assert not {"av", "mutagen", "sqlalchemy", "librosa", "sklearn"} & loaded("tagger.daemon.model_worker")
