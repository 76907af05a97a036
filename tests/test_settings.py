"""Settings: shipped defaults, the user's file over them, the environment over both; wrong ones are refused by name."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from tagger import settings
from tagger.profiles import PROFILES
from tagger.settings import SettingsError


def user_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_shipped_file_alone_gives_every_setting(tmp_path: Path) -> None:
    loaded = settings.load(None, {"HOME": str(tmp_path)})
    assert loaded.roots == ()
    assert loaded.read_only == ()
    assert loaded.settle_s == 5.0
    assert loaded.bundle is None
    assert (loaded.tags.genre, loaded.tags.mood, loaded.tags.custom) == ("fill", "fill", True)
    assert loaded.tags.label_map["r&b"] == "R&B"


def test_shipped_file_explains_every_key() -> None:
    lines = settings.shipped("config.toml").read_text(encoding="utf-8").splitlines()
    unexplained = []
    for number, line in enumerate(lines):
        follows = [earlier for earlier in lines[:number][::-1] if earlier.strip() == "" or earlier.startswith("#")]
        if line and line[0].isalpha() and not (follows and follows[0].startswith("#")):
            unexplained.append(line)
    assert unexplained == []


def test_no_path_is_fixed_to_a_home_folder(tmp_path: Path) -> None:
    plain = settings.load(None, {"HOME": str(tmp_path)})
    xdg = settings.load(None, {"HOME": str(tmp_path), "XDG_DATA_HOME": "/srv/data"})
    relative = settings.load(None, {"HOME": str(tmp_path), "XDG_DATA_HOME": "data"})
    assert plain.catalog == tmp_path / ".local/share/tagger/catalog.sqlite"
    assert xdg.catalog == Path("/srv/data/tagger/catalog.sqlite")
    assert relative.catalog == plain.catalog  # the XDG rule: relative paths count as none


def test_users_file_overrides_only_what_it_names(tmp_path: Path) -> None:
    text = '[library]\nroots = ["~/Music"]\nread_only = ["~/Music/Lent", "/lent"]\n'
    text += '[tags]\ngenre_gate = 1\n[tags.label_map]\nhip-hop = "Rap"\n'
    loaded = settings.load(user_file(tmp_path, text), {"HOME": str(tmp_path)})
    assert loaded.roots == (tmp_path / "Music",)
    assert loaded.read_only == (tmp_path / "Music/Lent", Path("/lent"))
    assert loaded.tags.genre_gate == 1.0
    assert loaded.tags.mood_gate == 0.5
    assert loaded.tags.label_map["hip-hop"] == "Rap"
    assert loaded.tags.label_map["jazz"] == "Jazz"


def test_file_is_found_by_flag_then_environment_then_xdg(tmp_path: Path) -> None:
    flag = user_file(tmp_path, "[workers]\nin_flight = 7\n")
    named = tmp_path / "named.toml"
    named.write_text("[workers]\nin_flight = 8\n")
    usual = tmp_path / "xdg" / "tagger" / "config.toml"
    usual.parent.mkdir(parents=True)
    usual.write_text("[workers]\nin_flight = 9\n")
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    assert settings.load(None, environ).in_flight == 9
    environ["TAGGER_CONFIG"] = str(named)
    assert settings.load(None, environ).in_flight == 8
    assert settings.load(flag, environ).in_flight == 7


def test_catalog_of_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    path = user_file(tmp_path, '[catalog]\npath = "/a/catalog.sqlite"\n')
    assert settings.load(path, {"HOME": "/"}).catalog == Path("/a/catalog.sqlite")
    assert settings.load(path, {"HOME": "/", "TAGGER_CATALOG": "/b/c.sqlite"}).catalog == Path("/b/c.sqlite")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[libary]\nroots = []\n", ["[libary]", "did you mean library"]),
        ("[library]\nroot = []\n", ["library.root", "did you mean roots"]),
        ("[tags]\ngenre_gat = 0.3\n", ["tags.genre_gat", "did you mean genre_gate"]),
        ("[tags]\nsettle_s = 2\n", ["tags.settle_s", "belongs in [library]"]),
        ("genre = 'off'\n", ["genre"]),
        ("tags = 1\n", ["[tags]"]),
        ("[tags]\ngenre = 'never'\n", ["tags.genre", '"fill" or "overwrite" or "off"']),
        ("[tags]\ngrouping = 'on'\n", ["tags.grouping", '"fill" or "overwrite" or "off"']),
        ("[tags]\ngenre_gate = 1.5\n", ["tags.genre_gate", "from 0 to 1"]),
        ("[tags]\ngenres = true\n", ["tags.genres", "whole number from 1 to 5"]),
        ("[tags]\nprofile = 'navidrom'\n", ["tags.profile", "did you mean navidrome", '"minimal"']),
        ("[tags]\nprofile = 1\n", ["tags.profile", 'or "" for none']),
        ("[tags]\ncustom = 'on'\n", ["tags.custom", "true or false"]),
        ("[library]\nroots = '~/Music'\n", ["library.roots", "list of folders"]),
        ("[library]\nroots = ['Music']\n", ["library.roots", "absolute"]),
        ("[library]\nread_only = '~/Music/Lent'\n", ["library.read_only", "list of folders"]),
        ("[library]\nread_only = ['Lent']\n", ["library.read_only", "absolute"]),
        ("[library]\nexclude = [1]\n", ["library.exclude", "list of texts"]),
        ("[model]\ndevice = 'gpu'\n", ["model.device", '"cuda"']),
        ("[tags.label_map]\nhiphop = 'Rap'\n", ["hiphop", "did you mean hip-hop"]),
        ("[tags.label_map]\npop = '80s'\n", ["pop", "begin with a letter"]),
        ("[tags\n", ["is not TOML"]),
    ],
)
def test_refuses_by_name_with_what_is_allowed(tmp_path: Path, text: str, words: list[str]) -> None:
    path = user_file(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        settings.load(path, {"HOME": "/"})
    for word in [str(path), *words]:
        assert word in str(caught.value)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        settings.load(tmp_path / "absent.toml", {"HOME": "/"})


def test_tables_use_the_names_of_the_file(tmp_path: Path) -> None:
    shipped = tomllib.loads(settings.shipped("config.toml").read_text(encoding="utf-8"))
    tables = settings.tables(settings.load(None, {"HOME": str(tmp_path)}))
    assert {section: set(keys) for section, keys in tables.items()} == {
        section: set(keys) for section, keys in shipped.items()
    }


# --- profiles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_sets_what_it_says_and_nothing_else(tmp_path: Path, name: str) -> None:
    plain = settings.load(None, {"HOME": "/"}).tags
    loaded = settings.load(user_file(tmp_path, f'[tags]\nprofile = "{name}"\n'), {"HOME": "/"}).tags
    assert loaded == replace(plain, profile=name, **PROFILES[name])


@pytest.mark.parametrize("name", PROFILES)
def test_what_a_profile_sets_could_stand_in_a_file(tmp_path: Path, name: str) -> None:
    lines = [f"{key} = {json.dumps(value)}" for key, value in PROFILES[name].items()]
    loaded = settings.load(user_file(tmp_path, "\n".join(["[tags]", *lines])), {"HOME": "/"}).tags
    by_name = settings.load(user_file(tmp_path, f'[tags]\nprofile = "{name}"\n'), {"HOME": "/"}).tags
    assert replace(loaded, profile=name) == by_name


def test_a_key_of_the_users_own_comes_before_the_profile(tmp_path: Path) -> None:
    text = '[tags]\ngenres = 3\nprofile = "navidrome"\n[tags.label_map]\nhip-hop = "Rap"\n'
    tags = settings.load(user_file(tmp_path, text), {"HOME": "/"}).tags
    assert (tags.genres, tags.moods, tags.label_map["hip-hop"], tags.label_map["jazz"]) == (3, 2, "Rap", "Jazz")


@pytest.mark.parametrize("page", ["config.toml", "docs/tags.md"])
@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_is_explained_where_it_can_be_looked_up(root: Path, page: str, name: str) -> None:
    text = (root / page).read_text(encoding="utf-8")
    part = text[text.index(f'# "{name}"' if page == "config.toml" else f"| `{name}`") :]
    told = part[: part.index("\n| `" if page == "docs/tags.md" and "\n| `" in part else "\n\n")]
    for key, value in PROFILES[name].items():
        assert f"{key} = {json.dumps(value)}" in told
