"""Files whose names and tags were made to do harm: scanned for real, and every command's output looked at."""

import csv
import io
import json
import os
import pty
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import mutagen.flac
import mutagen.id3
import pytest

from tagger.harmless import harmless
from tests import audio, bundles

Run = Callable[..., subprocess.CompletedProcess[bytes]]

EVIL = "\x1b[31mred\x07\x1b]0;title\x07\x7f\x9b2J\ttab\x0b\r\n  genre: two\x85three\u2028four\u202eevil\u2066x\u2069"
NAMES = (
    b"--help.mp3",
    b"new\nline.mp3",
    b"esc\x1b[31m\x07.mp3",
    b"bad\xff c1\xc2\x9b rtl\xe2\x80\xae3pm.mp3",
    b":boom:.mp3",
)


def controls(text: str) -> set[str]:
    """What no terminal may get."""
    return {mark for mark in text if mark != "\n" and unicodedata.category(mark) in ("Cc", "Cf", "Cs", "Zl", "Zp")}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of hostile files beside the settings to scan it with."""
    place = tmp_path_factory.mktemp("hostile")
    music = place / "music"
    (music / "album").mkdir(parents=True)
    (place / "home").mkdir()
    bundles.untrained(place / "bundle.safetensors")
    (place / "config.toml").write_text(
        f'[model]\nbundle = "{place / "bundle.safetensors"}"\n[library]\nsettle_s = 0\n[tags]\ngenre = "overwrite"\n'
    )
    recording = audio.write_audio(place, "mp3", 3.0)
    for name in NAMES:
        shutil.copy(recording, os.path.join(os.fsencode(music), name))
    (music / "no\x1bmusic\n.mp3").write_bytes(b"no music at all")
    _tagged_flac(audio.write_audio(music, "flac", 3.0, name="evil"), EVIL)
    _tagged_flac(audio.write_audio(music, "flac", 3.0, name="mega", seed=1), "M" * 1_000_000)
    _tagged_mp3(Path(shutil.copy(recording, music / "encoding.mp3")))
    (music / "album" / "up").symlink_to("..")
    (music / "self").symlink_to("self")
    (music / "link.flac").symlink_to("evil.flac")
    return place


def _tagged_flac(path: Path, value: str) -> None:
    file = mutagen.flac.FLAC(path)
    file["ARTIST"], file["TITLE"], file["GENRE"], file["ALBUM"] = value, value, [value, "../../etc/passwd"], "a\0b"
    file.save()


def _tagged_mp3(path: Path) -> None:
    """Text that says UTF-8 and is not, and UTF-16 that is half a pair."""
    tag = mutagen.id3.ID3()
    tag.add(mutagen.id3.TIT2(encoding=0, text=["XXXX"]))
    tag.add(mutagen.id3.TALB(encoding=0, text=["YYYY"]))
    tag.save(path, v1=0)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\0XXXX", b"\3\xff\xfe\x9b\x1b").replace(b"\0YYYY", b"\1\xd8\0\x1b\xdc"))


@pytest.fixture(scope="module")
def run(place: Path) -> Run:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TAGGER_", "XDG_"))}
    environ = {
        **clean,
        "HOME": str(place / "home"),
        "TAGGER_CONFIG": str(place / "config.toml"),
        "TAGGER_CATALOG": str(place / "c.sqlite"),
        "OMP_NUM_THREADS": "1",
    }

    def call(*words: str | bytes) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "tagger.cli", *words]
        return subprocess.run(command, env=environ, capture_output=True, stdin=subprocess.DEVNULL, check=False)

    return call


@pytest.fixture(scope="module")
def scanned(run: Run, place: Path) -> Path:
    dry = run("scan", "--dry-run", str(place / "music"))
    done = run("scan", "--yes", str(place / "music"))
    for printed in (dry.stdout, dry.stderr, done.stdout, done.stderr):
        assert not controls(printed.decode())
    said = [line for line in (dry.stdout + done.stderr).decode().splitlines() if "no\\x1bmusic\\n.mp3" in line]
    assert said, done.stderr
    assert "\n  genre: two" not in dry.stdout.decode()
    counts = dict(line.split() for line in done.stdout.decode().splitlines())
    assert (counts["seen"], counts["written"]) == ("9", "8"), "no link was followed, and all but the text was written"
    return place / "music"


def test_answers_for_people_are_harmless(run: Run, scanned: Path) -> None:
    answers = [
        run("status"),
        run("query"),
        run("explain", str(scanned / "evil.flac")),
        run("explain", str(scanned / "mega.flac")),
        run("explain", os.path.join(os.fsencode(scanned), NAMES[3])),
        run("explain", str(scanned / "no\x1bmusic\n.mp3")),
        run("undo", "--yes", str(scanned / "never\n\x1b\u202e")),
        run("history"),
    ]
    for done in answers:
        assert not controls(done.stdout.decode() + done.stderr.decode()), done.args
        assert max(map(len, done.stdout.decode().splitlines()), default=0) < 30_000, done.args
    query = answers[1].stdout.decode()
    assert len(query.splitlines()) == 10
    assert "… (1000000 characters)" in query
    assert not [line for line in answers[2].stdout.decode().splitlines() if line.startswith("  genre: two")]


def test_answers_for_programs_are_faithful(run: Run, scanned: Path) -> None:
    paths = {os.path.join(os.fsencode(scanned), name) for name in NAMES}
    tracks = {os.fsencode(track["path"]): track for track in json.loads(run("query", "--json").stdout)}
    assert paths < set(tracks)
    assert tracks[bytes(scanned / "evil.flac")]["artist"] == EVIL
    assert tracks[bytes(scanned / "mega.flac")]["artist"] == "M" * 1_000_000
    assert paths < set(run("query", "--format", "paths", "-0").stdout.split(b"\0"))
    csv.field_size_limit(10_000_000)
    rows = csv.DictReader(io.StringIO(run("query", "--format", "csv").stdout.decode(), newline=""))
    assert EVIL in {row["artist"] for row in rows}


def test_a_playlist_has_two_lines_a_track(run: Run, scanned: Path) -> None:
    lines = run("query", "--format", "m3u8").stdout.decode().split("\n")
    assert lines[0] == "#EXTM3U"
    assert lines[-1] == ""
    for title, path in zip(lines[1:-1:2], lines[2:-1:2], strict=True):
        assert title.startswith("#EXTINF:")
        assert not {mark for mark in title if unicodedata.category(mark) == "Cc"}
        assert len(title) < 2000
        assert path.startswith(f"{scanned}/")


@pytest.mark.parametrize(
    "words", [["explain", "--x\x1b[31m\x07\u202e\x9b"], ["explain", "a", "b\x1b[31m\x07\u202e\x9b"]]
)
def test_a_misunderstood_word_is_repeated_harmlessly(place: Path, words: list[str]) -> None:
    shown = on_terminal("-m", "tagger.cli", *words)
    assert "Usage:" in shown
    assert "\\x1b[31m\\x07\\u202e\\x9b" in shown
    assert not controls(shown)


def test_paths_on_a_terminal_are_harmless() -> None:
    shown = on_terminal("-c", r"from tagger.cli.output import write_bytes; write_bytes(b'/a\x1b[31m\xff\0/b\n')")
    assert shown == "/a\\x1b[31m\\udcff\\x00/b\n"


def test_a_line_above_a_progress_bar_is_harmless_and_literal() -> None:
    program = r"""
import sys
from tagger.cli.output import Console
console = Console()
console.progress(0, 2, "listen")
console.say(":boom:[red]\x07\u202e\n")
console.progress(2, 2, "listen")
"""
    assert ":boom:[red]\\x07\\u202e\\n" in on_terminal("-c", program)


def on_terminal(*words: str) -> str:
    """What Python prints with these words where a terminal is; its own line ends as "\\n"."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    with subprocess.Popen([sys.executable, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environ):
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # how Linux says that the other side is closed
            pass
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def test_typeset_spaces_and_joiners_stay() -> None:
    typeset = "ラ\u3000ヴィ \u0915\u094d\u200d\u0937 \u0645\u06cc\u200c\u062e \u00a0»"
    assert harmless(typeset) == typeset


def test_settings_that_are_shown_can_be_read_again(capsys: pytest.CaptureFixture[str]) -> None:
    import tomllib

    from tagger.cli.config import _write_table

    odd = "\x7f\x9b\u202e\x1b\n\U000e0001"
    _write_table("library", {"exclude": [odd]})
    shown = capsys.readouterr().out
    assert not controls(shown)
    assert tomllib.loads(shown) == {"library": {"exclude": [odd]}}
