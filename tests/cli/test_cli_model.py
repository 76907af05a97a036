"""`tagger model use`: the bundle is proven first, then the settings file names it, all else in it as it was."""

import os
from pathlib import Path

import pytest

from tagger import settings as settings_of_file
from tagger.cli import settings_edit
from tagger.cli.main import app
from tagger.records import TaggerError
from tests import bundles

OWN = """# mine
[tags]
genre = "off"   # never

[model]
# the network
bundle = ""
device = "cpu"

# the end
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "mine.safetensors"
    bundles.untrained(path)
    return path


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("TAGGER_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".config" / "tagger" / "config.toml"


def use(*words: str) -> None:
    app(["model", "use", *words], standalone_mode=False)


def test_the_settings_file_keeps_all_else(own: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own.parent.mkdir(parents=True)
    real = own.parent.parent / "dotfiles.toml"
    real.write_text(OWN)
    real.chmod(0o600)
    own.symlink_to(real)
    use(str(bundle))
    assert real.read_text() == OWN.replace('bundle = ""', f'bundle = "{bundle}"')
    assert (own.is_symlink(), real.stat().st_mode & 0o777) == (True, 0o600)
    assert "untrained-1-" in capsys.readouterr().out
    use(str(bundle), "--no-rewrite")
    assert settings_of_file.load(None, os.environ).rewrite is False
    use("default")
    held = settings_of_file.load(None, os.environ)
    assert (held.bundle, held.rewrite, held.tags.genre) == (None, False, "off")
    use("default", "--rewrite")
    assert settings_of_file.load(None, os.environ).rewrite is True
    assert [path.name for path in own.parent.parent.iterdir() if path.name.startswith(".dot")] == []


def test_a_settings_file_that_is_not_there_is_made(own: Path, bundle: Path) -> None:
    use(str(bundle))
    assert own.read_text() == f'[model]\nbundle = "{bundle}"\n'


def test_what_is_no_good_is_said_before_anything_changes(own: Path, bundle: Path, tmp_path: Path) -> None:
    content = bytearray(bundle.read_bytes())
    content[-1] ^= 1
    (tmp_path / "damaged").write_bytes(content)
    (tmp_path / "text").write_text("no bundle\n" * 100)
    for path, why in (("damaged", "wrong content hash"), ("text", "no tagger bundle"), ("nowhere", "No such file")):
        with pytest.raises(TaggerError, match=why):
            use(str(tmp_path / path))
    with pytest.raises(TaggerError, match="UTF-8"):
        use(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    assert not own.exists()
    own.parent.mkdir(parents=True)
    own.write_text("[modle]\n")
    with pytest.raises(settings_of_file.SettingsError, match="modle"):
        use(str(bundle))
    assert own.read_text() == "[modle]\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "[model]\nrewrite = false\n"),
        ("model.device = 'cpu'\n", "model.device = 'cpu'\nmodel.rewrite = false\n"),
        ("model = {device = 'cpu'}\n", "model = {device = 'cpu',rewrite = false}\n"),
        ("[model]\r\nrewrite = true # so\r\n", "[model]\r\nrewrite = false # so\r\n"),
    ],
)
def test_a_section_may_be_written_in_any_way(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(before.encode())
    settings_edit.change(path, "model", {"rewrite": False})
    assert path.read_bytes().decode() == after


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TaggerError, match="cannot be changed"):
        settings_edit.change(tmp_path / "file" / "config.toml", "model", {"rewrite": False})
