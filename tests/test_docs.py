"""The documentation says what is true: its commands exist, its links lead somewhere, its tables are whole."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from tagger import vocabulary
from tagger.cli.main import app

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def shown_commands(page: Path) -> list[str]:
    """Lines of code blocks, and code spans, that begin with `tagger`."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"^(?: {4}|\t)(tagger .*)$", text, re.MULTILINE)
    return lines + re.findall(r"`(tagger [a-z][^`]*)`", text)


COMMANDS = sorted({command for page in PAGES for command in shown_commands(page)})


@pytest.mark.parametrize("command", COMMANDS)
def test_shown_command_exists_with_its_options(command: str) -> None:
    words = shlex.split(re.split(r"[|>]", command)[0])[1:]
    found = typer.main.get_command(app)
    while hasattr(found, "commands") and words:
        if hasattr(found, "default") and words[0] not in found.commands:
            words.insert(0, found.default)
        assert words[0] in found.commands, command
        found = found.commands[words.pop(0)]
    known = {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    assert {word.split("=")[0] for word in words if word.startswith("-")} <= known, command


def test_some_commands_are_shown() -> None:
    assert len(COMMANDS) > 20


def test_every_command_is_documented() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    for name, command in typer.main.get_command(app).commands.items():
        for words in [f"{name} {below}" for below in getattr(command, "commands", {})] or [name]:
            assert f"tagger {words}" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


def test_readme_opens_with_the_two_commands() -> None:
    code = re.findall(r"^ {4}(.*)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert code[:2] == ["make serve MUSIC=~/Music", "make test"]


def test_make_targets_of_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make ([a-z-]+)", text)) | {"serve", "test"}:
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE)


def test_queries_page_has_every_genre_word() -> None:
    page = (ROOT / "docs" / "queries.md").read_text(encoding="utf-8")
    rows = {row[0]: row for row in re.findall(r"^\| (\S+) \| (.*) \| (.*) \|$", page, re.MULTILINE)}
    for word, labels in vocabulary.genre_words().items():
        for label in labels:
            listed = [item.strip() for cell in rows[label][1:] for item in cell.split(",")]
            assert word in listed or word == vocabulary.normalize(label), f"{word} of {label}"


def test_tags_page_names_every_policy_setting() -> None:
    page = (ROOT / "docs" / "tags.md").read_text(encoding="utf-8")
    keys = (
        "genre",
        "mood",
        "grouping",
        "custom",
        "genre_gate",
        "mood_gate",
        "genres",
        "moods",
        "label_map",
        "v23_mood",
    )
    for key in keys:
        assert f"`{key}`" in page


def test_model_card_of_the_package_is_the_documented_one() -> None:
    from tagger.analysis.header import default_bundle, read_header

    card = (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8")
    assert read_header(default_bundle()).card.strip() == card.strip()
