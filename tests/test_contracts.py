"""Who may know whom, and what a quick command must not load."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HEAVY = (
    "torch",
    "av",
    "numpy",
    "alembic",
    "mutagen",
    "rich",
    "librosa",
    "sklearn",
    "matplotlib",
    "reportlab",
    "tensorboard",
)

PROBE = """
import json, sys
from tagger.cli.main import app
try:
    app(sys.argv[1:])
except SystemExit:
    pass
except Exception as error:
    if type(error).__name__ != "TaggerError":
        raise
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def test_import_contracts_hold(root: Path) -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["query"],
        ["query", "--format", "json"],
        ["explain", "/nowhere/a.mp3"],
        ["status"],
        ["history"],
        ["config", "show"],
    ],
)
def test_quick_commands_load_nothing_heavy(command: list[str], tmp_path: Path, root: Path) -> None:
    environ = {**os.environ, "HOME": str(tmp_path), "TAGGER_CATALOG": str(tmp_path / "catalog.sqlite")}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *command], env=environ, cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stderr.splitlines()[-1])
    assert [name for name in HEAVY if name in loaded] == []


def test_rooms_below_import_only_the_standard_library(root: Path) -> None:
    code = "import sys; import tagger.records, tagger.settings, tagger.vocabulary; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=root, capture_output=True, text=True, check=True)
    foreign = {name.partition(".")[0] for name in done.stdout.split()} - set(sys.stdlib_module_names) - {"tagger"}
    assert {name for name in foreign if not name.startswith("_")} <= {"__main__"}


def test_package_init_files_are_empty(root: Path) -> None:
    packages = [*root.glob("tagger/**/__init__.py"), *root.glob("trainer/**/__init__.py")]
    assert packages
    assert [str(path) for path in packages if path.read_text().strip()] == []


def test_a_file_stays_a_page_or_few(root: Path) -> None:
    long = {str(path): lines for path in sources(root) if (lines := len(path.read_text().splitlines())) > 400}
    assert long == {}


def sources(root: Path) -> list[Path]:
    return [*root.glob("tagger/**/*.py"), *root.glob("trainer/**/*.py")]


def test_missing_programs_fail_under_ci(need: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-program"):
        need("no-such-program")
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="no-such-program"):
        need("no-such-program")
