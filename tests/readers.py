"""Programs that read tags, none of them built on mutagen: what each shows of the files in a folder."""

import json
import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import IO, Any

Shown = dict[str, str]
"""genre, mood, grouping, title, artist, album and tagger_* in lower case -> the text that is shown.

Several values are joined by the reader's `joiner`.
"""
_GROUPINGS = {"work", "tt1", "contentgroupdescription"}
"""Other names of the grouping: of TagLib and kid3, of FFmpeg in ID3v2.2, of WMA."""
_FIELDS = {"genre", "mood", "grouping", "title", "artist", "album"}


@dataclass(frozen=True, kw_only=True)
class Reader:
    """`need`: the program, or the Python `module`. `joiner`: what stands between several values that are shown."""

    need: str
    module: bool = False
    joiner: str
    read: Callable[[Any, Path], Mapping[str, Shown]]  # (program's path or module, folder) -> file name -> shown


def _run(*words: str | Path, good: tuple[int, ...] = (0,)) -> str:
    """What a program prints, without the settings of whoever runs the tests. `good`: its exit codes."""
    surroundings = {**os.environ, "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(words, env=surroundings, capture_output=True, encoding="utf-8", check=False, timeout=60)
    assert done.returncode in good, done.stderr
    return done.stdout


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def _shown(pairs: Iterable[tuple[str, object]], joiner: str) -> Shown:
    """Our fields among (name, value) as a program gives them, under one name each."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        key = re.sub("^tagger_?", "tagger_", re.sub("^wm[/_]", "", name.lower())).replace("tmoo", "mood")
        key = "grouping" if key in _GROUPINGS else key
        if key in _FIELDS or key.startswith("tagger_"):
            found.setdefault(key, []).append(str(value))
    return {key: joiner.join(values) for key, values in found.items()}


def _ffprobe(program: str, folder: Path) -> dict[str, Shown]:
    """Tags of Ogg files are the stream's, all others the file's."""
    every = {}
    for file in _files(folder):
        words = (program, "-v", "error", "-show_entries", "format_tags:stream_tags", "-of", "json", file)
        answer = json.loads(_run(*words))
        tags = [part.get("tags", {}).items() for part in (answer["format"], *answer["streams"])]
        every[file.name] = _shown((pair for pairs in tags for pair in pairs), ";")
    return every


def _pyav(module: ModuleType, folder: Path) -> dict[str, Shown]:
    """A later FFmpeg than a distribution's."""
    every = {}
    for file in _files(folder):
        with module.open(str(file)) as opened:
            pairs = [*opened.metadata.items(), *opened.streams.audio[0].metadata.items()]
        every[file.name] = _shown(pairs, ";")
    return every


def _taglib(module: ModuleType, folder: Path) -> dict[str, Shown]:
    every = {}
    for file in _files(folder):
        with module.File(str(file)) as opened:
            pairs = [(name, value) for name, values in opened.tags.items() for value in values]
        every[file.name] = _shown(pairs, "|")
    return every


def _exiftool(*options: str) -> Callable[[str, Path], dict[str, Shown]]:
    """As text: its JSON gives what stands several times in no order."""

    def read(program: str, folder: Path) -> dict[str, Shown]:
        answer = _run(
            program, "-s2", "-sep", "/", *options, *_files(folder), good=(0, 1)
        )  # 1: a type that it knows not
        parts = re.split(r"^======== (.*)\n", answer, flags=re.MULTILINE)[1:]
        every = zip(parts[::2], parts[1::2], strict=True)
        return {Path(file).name: _shown(_exif_pairs(text), "/") for file, text in every}

    return read


def _exif_pairs(text: str) -> Iterator[tuple[str, str]]:
    """(name, value) of the lines; a TXXX frame is one of "UserDefinedText: (NAME) value"."""
    for line in text.splitlines():
        if described := re.fullmatch(r"UserDefinedText: \((.+?)\) (.*)", line):
            yield described[1], described[2]
        elif named := re.fullmatch(r"(\w+): (.*)", line):
            yield named[1], named[2]


def _mediainfo(program: str, folder: Path) -> dict[str, Shown]:
    every = {}
    for file in json.loads(_run(program, "--Output=JSON", *_files(folder))):
        general = file["media"]["track"][0]
        pairs = [*general.items(), *general.get("extra", {}).items()]
        every[Path(file["media"]["@ref"]).name] = _shown(pairs, " / ")
    return every


def _kid3(program: str, folder: Path) -> dict[str, Shown]:
    every = {}
    for file in _files(folder):
        answer = json.loads(_run(program, "-c", '{"method":"get","params":["all"]}', file))
        frames = answer["result"]["taggedFile"]["tag2"]["frames"]
        every[file.name] = _shown(((frame["name"], frame["value"]) for frame in frames), "|")
    return every


def _mpd(program: str, folder: Path) -> dict[str, Shown]:
    every: dict[str, list[tuple[str, object]]] = {}
    with mpd(program, folder) as server:
        for name, value in server.ask("listallinfo"):
            if name == "file":
                every[value] = []
            elif every:
                every[next(reversed(every))].append((name, value))
    return {name: _shown(pairs, "|") for name, pairs in every.items()}


READERS = {
    "ffprobe": Reader(need="ffprobe", joiner=";", read=_ffprobe),
    "PyAV": Reader(need="av", module=True, joiner=";", read=_pyav),
    "TagLib": Reader(need="taglib", module=True, joiner="|", read=_taglib),
    "exiftool": Reader(need="exiftool", joiner="/", read=_exiftool()),
    "exiftool -a": Reader(need="exiftool", joiner="/", read=_exiftool("-a")),
    "MediaInfo": Reader(need="mediainfo", joiner=" / ", read=_mediainfo),
    "kid3": Reader(need="kid3-cli", joiner="|", read=_kid3),
    "MPD": Reader(need="mpd", joiner="|", read=_mpd),
}


def version(program: str) -> tuple[int, int]:
    """Of ffprobe and MPD, which show less or more from one version to the next."""
    said = _run(program, "-version" if Path(program).name == "ffprobe" else "--version")
    found = re.search(r"(\d+)\.(\d+)", said)
    assert found, said
    return int(found[1]), int(found[2])


# --- MPD ------------------------------------------------------------------------------------------------------------

_CONFIG = """
music_directory "{music}"
db_file "{home}/db"
bind_to_address "{home}/socket"
zeroconf_enabled "no"
auto_update "no"
audio_output {{
  type "null"
  name "silence"
}}
"""
_START_S = 20.0


class Mpd:
    """A connection to a server: https://mpd.readthedocs.io/en/stable/protocol.html."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self.greeting = self._stream.readline()

    def ask(self, command: str) -> list[tuple[str, str]]:
        """The (name, value) lines of the answer."""
        self._stream.write(command + "\n")
        self._stream.flush()
        pairs = []
        for line in self._stream:
            if line == "OK\n":
                return pairs
            assert not line.startswith("ACK"), line
            name, _, value = line.rstrip("\n").partition(": ")
            pairs.append((name, value))
        raise AssertionError("MPD is gone")

    def update(self) -> None:
        """Read the whole folder; returns when it is done. `idle` answers at the update's start and at its end."""
        self.ask("update")
        while dict(self.ask("status")).get("updating_db"):
            self.ask("idle update")

    def knows(self, tag: str) -> bool:
        return ("tagtype", tag) in self.ask("tagtypes")


@contextmanager
def mpd(program: str, music: Path) -> Iterator[Mpd]:
    """A server of its own over a folder, without sound, that has read all of it."""
    with tempfile.TemporaryDirectory(prefix="mpd-") as home:  # a socket's path may have 107 bytes: no tmp_path
        config, log = Path(home, "config"), Path(home, "log")
        config.write_text(_CONFIG.format(music=music, home=home), encoding="utf-8")
        with log.open("wb") as errors:
            server = subprocess.Popen([program, "--no-daemon", "--stderr", config], stdout=errors, stderr=errors)
        try:
            with _connected(server, f"{home}/socket", log) as stream:
                client = Mpd(stream)
                client.update()
                yield client
        finally:
            server.kill()
            server.wait()


@contextmanager
def _connected(server: "subprocess.Popen[bytes]", address: str, log: Path) -> Iterator[IO[str]]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        until = time.monotonic() + _START_S
        while connection.connect_ex(address):
            starting = server.poll() is None and time.monotonic() < until
            assert starting, f"MPD does not start: {log.read_text(errors='replace')}"
            time.sleep(0.02)
        with connection.makefile("rw", encoding="utf-8") as stream:
            yield stream
