"""The command line as a user meets it: real processes, an empty HOME."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tagger.catalog.engine import open_writer
from tagger.records import TaggerError

Run = Callable[..., subprocess.CompletedProcess[str]]

COMMANDS = (
    ["serve"],
    ["scan"],
    ["query"],
    ["explain"],
    ["history"],
    ["history", "show"],
    ["history", "prune"],
    ["status"],
    ["undo"],
    ["write"],
    ["config", "show"],
    ["config", "init"],
    ["model", "show"],
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `tagger` with an empty HOME and no terminal."""

    def call(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("TAGGER_", "XDG_"))}
        return subprocess.run(
            [sys.executable, "-m", "tagger.cli", *words],
            env={**clean, "HOME": str(tmp_path), **environ},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    return call


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example(run: Run, command: list[str]) -> None:
    shown = run(*command, "--help")
    assert shown.returncode == 0
    assert "Example" in shown.stdout
    assert f"tagger {' '.join(command)}" in shown.stdout


def test_help_lists_the_commands_and_exit_codes(run: Run) -> None:
    shown = run("--help").stdout
    for command in {words[0] for words in COMMANDS}:
        assert command in shown
    assert "3 done, but some files failed" in " ".join(shown.split())


def test_query_help_says_which_words_there_are(run: Run) -> None:
    shown = " ".join(run("query", "--help").stdout.split())
    for word in ("happy", "angry", "sad", "calm", "serene", "melancholic", "hip-hop", "r&b"):
        assert word in shown


def test_version(run: Run) -> None:
    shown = run("--version")
    assert shown.returncode == 0
    assert shown.stdout.startswith("tagger 0.")


def test_config_init_writes_a_file_that_changes_nothing(run: Run, tmp_path: Path) -> None:
    before = run("config", "show", "--json").stdout
    written = run("config", "init")
    path = tmp_path / ".config" / "tagger" / "config.toml"
    assert written.stdout.strip() == str(path)
    assert "genre_gate" in path.read_text()
    assert run("config", "show", "--json").stdout == before
    again = run("config", "init")
    assert again.returncode == 2
    assert "--force" in again.stderr


def test_config_show_prints_what_a_settings_file_may_say(run: Run, tmp_path: Path) -> None:
    shown = run("config", "show").stdout
    (tmp_path / "copy.toml").write_text(shown)
    assert tomllib.loads(shown)["tags"]["label_map"]["r&b"] == "R&B"
    copied = run("config", "show", "--json", "--config", str(tmp_path / "copy.toml"))
    assert copied.returncode == 0
    assert copied.stdout == run("config", "show", "--json").stdout


def test_catalog_flag_comes_before_the_environment(run: Run) -> None:
    shown = run("config", "show", "--json", "--catalog", "/a/c.sqlite", TAGGER_CATALOG="/b/c.sqlite")
    assert json.loads(shown.stdout)["catalog"]["path"] == "/a/c.sqlite"
    shown = run("config", "show", "--json", TAGGER_CATALOG="/b/c.sqlite")
    assert json.loads(shown.stdout)["catalog"]["path"] == "/b/c.sqlite"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serve"], "no folder"),
        (["scan"], "no folder"),
        (["scan", "/no/such/folder"], "does not exist"),
        (["serve", "/no/such/folder"], "does not exist"),
        (["undo"], "--all"),
        (["undo", "--all", "a.mp3"], "not both"),
        (["undo", "--all", "--run", "3"], "not both"),
        (["undo", "--since", "yesterday"], "is no time"),
        (["history"], "tagger scan"),
        (["history", "prune", "--older-than", "1d"], "tagger scan"),
        (["history", "prune", "--older-than", "90"], "is no time"),
        (["history", "prune"], "--older-than"),
        (["write", "--again"], "--again needs a PATH"),
        (["query", "-0"], "--format paths"),
        (["config", "show", "--config", "/no/such/file"], "cannot be read"),
        (["qeury"], "No such command"),
        (["query", "--min-confidence", "2"], "--min-confidence"),
        (["query", "--format", "xml"], "m3u8"),
        (["query"], "tagger scan"),
        (["status"], "tagger scan"),
        (["explain", "/music/a.mp3"], "tagger scan"),
        (["query", "--mood", "hapy"], "happy"),
        (["query", "--emotion", "seren"], "serene"),
        (["query", "--genre", "jaz"], "jazz"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_command_that_cannot_start_says_what_to_do(run: Run, tmp_path: Path, words: list[str], said: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_setting_stops_before_any_work(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[tags]\ngenre = 'sometimes'\n")
    done = run("status", "--config", str(path))
    assert done.returncode == 2
    assert "tags.genre" in done.stderr


@pytest.mark.parametrize("words", [["explain"], ["undo", "--yes"], ["write"]], ids=" ".join)
def test_a_path_that_cannot_be_read_is_no_error_of_the_command(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parser that looked at the file first would hide what the catalog knows of it."""
    from tagger.cli.main import app

    secret = tmp_path / "secret.mp3"
    secret.write_bytes(b"x")
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    monkeypatch.setenv("TAGGER_CATALOG", str(tmp_path / "catalog.sqlite"))
    with pytest.raises(TaggerError, match="no catalog"):
        app([*words, str(secret)], standalone_mode=False)


@pytest.mark.parametrize(
    ("broken", "whole", "told"),
    [
        ("catalog.sqlite", "journal.sqlite", "scan again; keep journal.sqlite"),
        ("journal.sqlite", "catalog.sqlite", "all tags stay in their files"),
    ],
)
def test_of_the_two_databases_the_damaged_one_is_named(
    run: Run, tmp_path: Path, broken: str, whole: str, told: str
) -> None:
    open_writer(tmp_path / "catalog.sqlite").close()
    (tmp_path / broken).write_bytes(b"no database " * 1000)
    for command in (["history"], ["scan", str(tmp_path), "--yes"]):
        done = run(*command, TAGGER_CATALOG=str(tmp_path / "catalog.sqlite"))
        said = " ".join(done.stderr.split())
        assert done.returncode != 0
        assert f"{tmp_path / broken} is damaged" in said
        assert told in said
        assert f"{tmp_path / whole} is damaged" not in said
    (tmp_path / broken).unlink()
    assert run("scan", str(tmp_path), "--yes", TAGGER_CATALOG=str(tmp_path / "catalog.sqlite")).returncode == 0
