"""The project's own files: exact versions, ranges that allow them, make that says what is missing."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement


def pinned(root: Path) -> dict[str, str]:
    pins = {}
    for line in (root / "constraints.txt").read_text(encoding="utf-8").splitlines():
        requirement = Requirement(line)
        (exact,) = requirement.specifier
        assert exact.operator == "==", line
        pins[requirement.name.lower().replace("_", "-")] = exact.version
    return pins


def test_every_dependency_has_an_exact_version_inside_its_range(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = pinned(root)
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in (Requirement(text) for group in groups for text in group):
        assert requirement.specifier.contains(pins[requirement.name]), requirement
        assert "==" not in str(requirement.specifier), requirement


def test_exact_versions_fit_builds_with_and_without_cuda(root: Path) -> None:
    assert "+" not in (root / "constraints.txt").read_text(encoding="utf-8")


@pytest.fixture
def empty_path(tmp_path: Path) -> Path:
    """A folder of programs with all that make's recipes use, but no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in ("make", "sh", "grep", "sed", "expand", "touch"):
        found = shutil.which(program)
        assert found
        (folder / program).symlink_to(found)
    return folder


def make(root: Path, path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": str(path), "HOME": os.environ.get("HOME", "/")}
    return subprocess.run([path / "make", "-C", root, *words], env=environ, capture_output=True, text=True, check=False)


def test_make_names_a_missing_python_and_how_to_get_it(root: Path, empty_path: Path, tmp_path: Path) -> None:
    done = make(root, empty_path, "serve", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0
    assert "apt-get install python3" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_make_names_a_missing_venv_module(root: Path, empty_path: Path, tmp_path: Path) -> None:
    python = empty_path / "python3.12"
    python.write_text('#!/bin/sh\ncase "$2" in *version_info*3.12*) exit 0;; *) exit 1;; esac\n')
    python.chmod(0o755)
    done = make(root, empty_path, "test", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0
    assert "apt-get install python3.12-venv" in done.stderr


def test_make_takes_the_newest_tested_python(root: Path, empty_path: Path, tmp_path: Path) -> None:
    for version in ("3.11", "3.12", "3.14"):
        python = empty_path / f"python{version}"
        python.write_text(
            f'#!/bin/sh\ncase "$1$2" in *version_info*{version}*|*ensurepip*) exit 0;; *--version*) echo {version};; '
            "*) exit 1;; esac\n"
        )
        python.chmod(0o755)
    done = make(root, empty_path, "test", f"VENV={tmp_path / 'venv'}")
    assert "with python3.12" in done.stdout


def test_make_help_lists_the_two_commands(root: Path, empty_path: Path) -> None:
    shown = make(root, empty_path, "help").stdout
    assert re.search(r"make serve .*--yes", shown)
    assert "make test" in shown
