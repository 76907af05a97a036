"""Settings: the shipped config.toml, then the user's file, then the environment, as one frozen value.

Lies below the records, so it has an exception of its own, which the command line turns into exit code 2.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tagger.profiles import PROFILES
from tagger.vocabulary import GENRES, MOODS, nearest

RULES = ("fill", "overwrite", "off")
DEVICES = ("auto", "cpu", "cuda")


class SettingsError(Exception):
    """A settings file that cannot be used; the message names file, key and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagSettings:
    """What may be written, as the user says it; the bundle's gates for single labels are added later."""

    profile: str  # one of PROFILES, or ""; the other values are already under it
    genre: str  # one of RULES
    mood: str
    grouping: str
    custom: bool
    genre_gate: float
    mood_gate: float
    genres: int
    moods: int
    label_map: Mapping[str, str]  # label -> text in the standard field
    v23_separator: str
    v23_mood: str
    preserve_mtime: bool
    break_hardlinks: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of a run. Paths are absolute."""

    roots: tuple[Path, ...]
    exclude: tuple[str, ...]
    read_only: tuple[Path, ...]  # folders in which nothing is written
    settle_s: float
    rescan_minutes: float
    prune_days: int
    catalog: Path
    bundle: Path | None  # None: the shipped one
    rewrite: bool  # whether what another bundle wrote follows this one
    device: str  # one of DEVICES
    file_workers: int  # 0: from the number of cores
    worker_memory_mb: int
    job_timeout_s: float
    idle_s: float
    in_flight: int
    tags: TagSettings


def load(config: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings that hold; `config` comes before TAGGER_CONFIG, which comes before the XDG place.

    Raises:
        SettingsError: a file that was named is missing, is no TOML, has an unknown key or a wrong value.
    """
    values = _values_of(shipped("config.toml"), environ)
    path = config_path(config, environ)
    if path is not None:
        own = _values_of(path, environ)
        for key, value in {**_profile(own.get("tags.profile", "")), **own}.items():
            values[key] = {**values[key], **value} if key == "tags.label_map" else value
    named = environ.get("TAGGER_CATALOG")
    if named:
        values["catalog.path"] = absolute(named, environ)
    return _settings(values, environ)


def _profile(name: str) -> dict[str, Any]:
    """What a profile sets; a key in the user's own file comes before it."""
    return {f"tags.{key}": value for key, value in PROFILES[name].items()} if name else {}


def tables(settings: Settings) -> dict[str, dict[str, Any]]:
    """The settings under the names of config.toml, as plain values: what `tagger config show` prints."""
    tags = settings.tags
    return {
        "library": {
            "roots": [str(root) for root in settings.roots],
            "exclude": list(settings.exclude),
            "read_only": [str(folder) for folder in settings.read_only],
            "settle_s": settings.settle_s,
            "rescan_minutes": settings.rescan_minutes,
            "prune_days": settings.prune_days,
        },
        "catalog": {"path": str(settings.catalog)},
        "model": {
            "bundle": str(settings.bundle or ""),
            "rewrite": settings.rewrite,
            "device": settings.device,
        },
        "workers": {
            "file_workers": settings.file_workers,
            "memory_mb": settings.worker_memory_mb,
            "job_timeout_s": settings.job_timeout_s,
            "idle_s": settings.idle_s,
            "in_flight": settings.in_flight,
        },
        "tags": {each.name: getattr(tags, each.name) for each in fields(tags)},
    }


def config_path(config: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The user's settings file, or None where none was named and none lies in the usual place."""
    named = config or (Path(environ["TAGGER_CONFIG"]) if environ.get("TAGGER_CONFIG") else None)
    if named is not None:
        return absolute(str(named), environ)
    usual = usual_config_path(environ)
    return usual if usual.exists() else None


def own_config_path(config: Path | None, environ: Mapping[str, str]) -> Path:
    """The user's settings file, also where there is none yet."""
    return config_path(config, environ) or usual_config_path(environ)


def usual_config_path(environ: Mapping[str, str]) -> Path:
    """Where a user's settings file lies when nothing names another."""
    return _xdg("XDG_CONFIG_HOME", ".config", environ) / "tagger" / "config.toml"


def usual_catalog_path(environ: Mapping[str, str]) -> Path:
    """Where the catalog lies when nothing names another place."""
    return _xdg("XDG_DATA_HOME", ".local/share", environ) / "tagger" / "catalog.sqlite"


def shipped(name: str) -> Path:
    """A file or folder that the wheel carries inside the package and a checkout beside it.

    Raises:
        SettingsError: it is in neither place; the installation is broken.
    """
    package = Path(__file__).resolve().parent
    for place in (package / name, package.parent / name):
        if place.exists():
            return place
    raise SettingsError(f"{name} is not where tagger was installed ({package}); install tagger again")


def absolute(text: str, environ: Mapping[str, str]) -> Path:
    """A path as a user writes it: ~ is the home folder, the rest is relative to the current one."""
    if text == "~" or text.startswith("~/"):
        return _home(environ) / text[2:]
    return Path(text).expanduser().absolute()


def _settings(values: dict[str, Any], environ: Mapping[str, str]) -> Settings:
    tags = {key.removeprefix("tags."): value for key, value in values.items() if key.startswith("tags.")}
    return Settings(
        roots=values["library.roots"],
        exclude=values["library.exclude"],
        read_only=values["library.read_only"],
        settle_s=values["library.settle_s"],
        rescan_minutes=values["library.rescan_minutes"],
        prune_days=values["library.prune_days"],
        catalog=values["catalog.path"] or usual_catalog_path(environ),
        bundle=values["model.bundle"],
        rewrite=values["model.rewrite"],
        device=values["model.device"],
        file_workers=values["workers.file_workers"],
        worker_memory_mb=values["workers.memory_mb"],
        job_timeout_s=values["workers.job_timeout_s"],
        idle_s=values["workers.idle_s"],
        in_flight=values["workers.in_flight"],
        tags=TagSettings(**tags),
    )


# --- one file ------------------------------------------------------------------------------------------------------


def _values_of(path: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """The checked values of one settings file, under their full names ("tags.genre_gate")."""
    values: dict[str, Any] = {}
    for key, raw in _flat(_parsed(path), path).items():
        try:
            values[key] = _KEYS[key](raw, environ)
        except ValueError as error:
            raise SettingsError(f"{path}: {key} = {raw!r}: {error}") from None
    return values


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); `tagger config init` writes one") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from None


def _flat(table: Mapping[str, Any], path: Path) -> dict[str, Any]:
    sections = {key.split(".")[0] for key in _KEYS}
    flat: dict[str, Any] = {}
    for section, content in table.items():
        if section not in sections:
            raise _unknown(path, f"section [{section}]" if isinstance(content, dict) else section, section, sections)
        if not isinstance(content, dict):
            raise SettingsError(f"{path}: {section} is a section: write [{section}] on a line of its own")
        for name, value in content.items():
            if f"{section}.{name}" not in _KEYS:
                known = {key.split(".")[1] for key in _KEYS if key.startswith(f"{section}.")}
                raise _unknown(path, f"key {section}.{name}", name, known)
            flat[f"{section}.{name}"] = value
    return flat


def _unknown(path: Path, what: str, word: str, known: set[str]) -> SettingsError:
    """Looks for the nearest in the section; a key that stands in the wrong section is told so."""
    near = nearest(word, known)
    elsewhere = [key for key in _KEYS if key.split(".")[1] == word]
    hint = f"; did you mean {near}?" if near else f"; known: {', '.join(sorted(known))}"
    if elsewhere:
        hint = f"; it belongs in [{elsewhere[0].split('.')[0]}]"
    return SettingsError(f"{path}: unknown {what}{hint}")


# --- one value -----------------------------------------------------------------------------------------------------

Check = Callable[[object, Mapping[str, str]], Any]


def _number(low: float, high: float) -> Check:
    def check(raw: object, _: Mapping[str, str]) -> float:
        if isinstance(raw, bool) or not isinstance(raw, int | float) or not low <= raw <= high:
            raise ValueError(f"allowed is a number from {low:g} to {high:g}")
        return float(raw)

    return check


def _whole(low: int, high: int) -> Check:
    def check(raw: object, _: Mapping[str, str]) -> int:
        if isinstance(raw, bool) or not isinstance(raw, int) or not low <= raw <= high:
            raise ValueError(f"allowed is a whole number from {low} to {high}")
        return raw

    return check


def _one_of(*words: str) -> Check:
    def check(raw: object, _: Mapping[str, str]) -> str:
        if not isinstance(raw, str) or raw not in words:
            raise ValueError("allowed is " + " or ".join(f'"{word}"' for word in words))
        return raw

    return check


def _profile_name(raw: object, _: Mapping[str, str]) -> str:
    if isinstance(raw, str) and (not raw or raw in PROFILES):
        return raw
    near = nearest(raw, PROFILES) if isinstance(raw, str) else None
    known = ", ".join(f'"{name}"' for name in PROFILES)
    raise ValueError((f"did you mean {near}? " if near else "") + f'known profiles: {known}, or "" for none')


def _flag(raw: object, _: Mapping[str, str]) -> bool:
    if not isinstance(raw, bool):
        raise ValueError("allowed is true or false")
    return raw


def _texts(raw: object, _: Mapping[str, str]) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(item, str) and item for item in raw):
        raise ValueError('allowed is a list of texts, for example ["*.part"]')
    return tuple(raw)


def _folders(raw: object, environ: Mapping[str, str]) -> tuple[Path, ...]:
    if not isinstance(raw, list) or not all(isinstance(item, str) and _is_full(item) for item in raw):
        raise ValueError('allowed is a list of folders, absolute or beginning with ~, for example ["~/Music"]')
    return tuple(absolute(item, environ) for item in raw)


def _file(raw: object, environ: Mapping[str, str]) -> Path | None:
    if not isinstance(raw, str) or (raw and not _is_full(raw)):
        raise ValueError("allowed is a path, absolute or beginning with ~, or an empty text")
    return absolute(raw, environ) if raw else None


def _label_map(raw: object, _: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(raw, dict):
        raise ValueError('allowed is a table of labels, for example hip-hop = "Rap"')
    for label, text in raw.items():
        if label not in GENRES + MOODS:
            near = nearest(label, GENRES + MOODS)
            raise ValueError(f"unknown label {label}; " + (f"did you mean {near}?" if near else _labels()))
        if not isinstance(text, str) or not text[:1].isalpha() or not text.isprintable():
            raise ValueError(f"the text of {label} must begin with a letter and have no control characters")
    return raw


def _labels() -> str:
    return "known: " + ", ".join(GENRES + MOODS)


def _is_full(text: str) -> bool:
    return text.startswith(("/", "~"))


def _xdg(variable: str, under_home: str, environ: Mapping[str, str]) -> Path:
    """The XDG rule: a relative path in the variable counts as none."""
    value = environ.get(variable, "")
    return Path(value) if value.startswith("/") else _home(environ) / under_home


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ["HOME"]) if environ.get("HOME") else Path.home()


_KEYS: dict[str, Check] = {
    "library.roots": _folders,
    "library.exclude": _texts,
    "library.read_only": _folders,
    "library.settle_s": _number(0, 3600),
    "library.rescan_minutes": _number(1, 10080),
    "library.prune_days": _whole(1, 3650),
    "catalog.path": _file,
    "model.bundle": _file,
    "model.rewrite": _flag,
    "model.device": _one_of(*DEVICES),
    "workers.file_workers": _whole(0, 64),
    "workers.memory_mb": _whole(64, 65536),
    "workers.job_timeout_s": _number(5, 86400),
    "workers.idle_s": _number(0, 86400),
    "workers.in_flight": _whole(1, 256),
    "tags.profile": _profile_name,
    "tags.genre": _one_of(*RULES),
    "tags.mood": _one_of(*RULES),
    "tags.grouping": _one_of(*RULES),
    "tags.custom": _flag,
    "tags.genre_gate": _number(0, 1),
    "tags.mood_gate": _number(0, 1),
    "tags.genres": _whole(1, 5),
    "tags.moods": _whole(1, len(MOODS)),
    "tags.label_map": _label_map,
    "tags.v23_separator": _one_of("; ", "/"),
    "tags.v23_mood": _one_of("TXXX:MOOD", "TMOO"),
    "tags.preserve_mtime": _flag,
    "tags.break_hardlinks": _flag,
}
