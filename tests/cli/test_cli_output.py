"""What is printed cannot steer a terminal, and is whole where no terminal is."""

import io
import sys

import pytest

from tagger.cli import output
from tagger.harmless import harmless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Björk: Jóga", "Björk: Jóga"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("two\nlines\ttab", "two\\nlines\\ttab"),
        ("bad\udcffbyte", "bad\\udcffbyte"),
        ("\u202eright to left", "\\u202eright to left"),
        ("\x9b31m", "\\x9b31m"),
    ],
)
def test_text_from_files_is_made_harmless(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_table_without_a_terminal_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(["genre", "path"], [["jazz", "/music/" + "x" * 500], ["hip-hop", "/a\n"]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["genre", "path"]
    assert lines[1] == "jazz     /music/" + "x" * 500
    assert lines[2] == "hip-hop  /a\\n"


def test_json_is_ascii_and_keeps_the_bytes_of_a_path(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_json({"path": "/m/\udcff.mp3"}, one_line=True)
    assert capsys.readouterr().out == '{"path": "/m/\\udcff.mp3"}\n'


def test_what_an_old_terminal_cannot_show_is_escaped() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    output.write_line("Jóga", stream)
    stream.flush()
    assert stream.buffer.getvalue() == b"J\\xf3ga\n"  # type: ignore[attr-defined]


def test_nobody_is_asked_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert output.Console().confirm("Write?") is True


def test_the_story_goes_to_stderr_and_an_answer_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    output.Console().say("story")
    output.Console(answer=True).say("answer\x1b")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("answer\\x1b\n", "story\n")
