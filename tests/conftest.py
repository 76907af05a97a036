"""What every test may need: the data beside the checkout, other programs, and a word about what is not there."""

import importlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


def absent(what: str) -> None:
    """Skip for want of something outside the project; where CI says that all is there, fail."""
    message = f"needs {what}, which is not here"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(message + " (CI=true: a skip for want of something is a failure)", pytrace=False)
    pytest.skip(message)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder ../shared, which holds music and odd files that no checkout may contain."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        absent("../shared")
    return folder


@pytest.fixture(scope="session")
def need() -> Callable[[str], str]:
    """`need("ffprobe")` gives the program's path."""

    def find(program: str) -> str:
        path = shutil.which(program)
        if path is None:
            absent(f"the program {program}")
        assert path is not None
        return path

    return find


@pytest.fixture(scope="session")
def need_module() -> Callable[[str], ModuleType]:
    """`need_module("taglib")` gives the imported module."""

    def find(name: str) -> ModuleType:
        try:
            return importlib.import_module(name)
        except ImportError:
            absent(f"the Python module {name}")
            raise

    return find
