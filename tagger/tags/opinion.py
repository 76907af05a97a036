"""The second opinion on a changed copy: what mutagen reads in it, independent of our own parsers."""

import os
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from mutagen.aiff import AIFF
from mutagen.apev2 import TEXT, APENoHeaderError, APEv2
from mutagen.asf import ASF, UNICODE
from mutagen.dsf import DSF
from mutagen.flac import FLAC
from mutagen.id3 import ID3, ID3NoHeaderError
from mutagen.mp4 import MP4
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggspeex import OggSpeex
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from tagger.tags.fields import PREFIX, STANDARD
from tagger.tags.formats.names import CARRIED, GAIN

Values = dict[str, tuple[str, ...]]
"""Field name as edits use it, or as `formats.names` does -> values."""
_ID3_NAMES = {"TYER": "date"} | {names.id3: name for name, names in CARRIED.items()}
_VORBIS_NAMES = {names.vorbis: name for name, names in CARRIED.items()}
_APE_NAMES = {names.ape.upper(): name for name, names in CARRIED.items()}
_ASF_NAMES = {"WM/GENRE": "genre", "WM/MOOD": "mood", "WM/CONTENTGROUPDESCRIPTION": "grouping"}


def values(file: BinaryIO, container: str) -> Values:
    """Our fields, and those that a new tag takes over, as mutagen reads them.

    Raises whatever mutagen raises for a file that it cannot read.
    """
    return _READERS[container](_NoLonger(file))


class _NoLonger:
    """The file for mutagen, which asks for as many bytes as a header claims: a read would reserve room for them all."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.seek, self.tell = file, file.seek, file.tell
        self._size = file.seek(0, os.SEEK_END)
        file.seek(0)

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._size - self._file.tell())
        return self._file.read(left if size < 0 else min(size, left))


def _id3(tags: Any) -> Values:
    found: Values = {}
    for frame in (tags or {}).values():
        if frame.FrameID == "TCON":
            found["genre"] = tuple(frame.genres)
        elif frame.FrameID == "TIT1":
            found["grouping"] = tuple(map(str, frame.text))
        elif frame.FrameID in _ID3_NAMES and not getattr(frame, "desc", ""):
            found[_ID3_NAMES[frame.FrameID]] = tuple(map(str, frame.text))
        elif frame.FrameID == "TMOO" or (frame.FrameID == "TXXX" and frame.desc.upper() == "MOOD"):
            found["mood"] = tuple(map(str, frame.text))
        elif frame.FrameID == "TXXX" and frame.desc.upper().startswith((PREFIX, GAIN)):
            found[frame.desc.upper()] = tuple(map(str, frame.text))
    return found


def _leading_id3(file: Any) -> Values:
    try:
        return _id3(ID3(fileobj=file, translate=False, load_v1=False))
    except ID3NoHeaderError:
        return {}


def _comment(tags: Any) -> Values:
    found: dict[str, list[str]] = {}
    for key, value in tags or ():
        name = key.lower() if key.lower() in STANDARD else _VORBIS_NAMES.get(key.upper(), key.upper())
        if name in STANDARD or name in CARRIED or name.startswith((PREFIX, GAIN)):
            found.setdefault(name, []).append(value)
    return {name: tuple(texts) for name, texts in found.items()}


def _mp4(tags: Any) -> Values:
    found: Values = {}
    prefix = "----:com.apple.itunes:"
    for key, entries in (tags or {}).items():
        if key == "\xa9gen":
            found["genre"] = tuple(entries)
        elif key == "\xa9grp":
            found["grouping"] = tuple(entries)
        elif key.lower().startswith(prefix):
            name = key[len(prefix) :].upper()
            if name == "MOOD" or name.startswith(PREFIX):
                found["mood" if name == "MOOD" else name] = tuple(
                    bytes(entry).decode("utf-8", "replace") for entry in entries
                )
    return found


def _ape(file: Any) -> Values:
    found: Values = {}
    try:
        tags = APEv2(file)
    except APENoHeaderError:
        return found
    for key, entry in tags.items():
        name = key.lower() if key.lower() in STANDARD else _APE_NAMES.get(key.upper(), key.upper())
        if entry.kind == TEXT and (name in STANDARD or name in CARRIED or name.startswith((PREFIX, GAIN))):
            found[name] = tuple(entry)
    return found


def _asf(tags: Any) -> Values:
    found: dict[str, list[str]] = {}
    for key, value in tags:
        name = _ASF_NAMES.get(key.upper(), key.upper())
        if value.TYPE == UNICODE and (name in STANDARD or name.startswith(PREFIX)):
            found.setdefault(name, []).append(str(value))
    return {name: tuple(texts) for name, texts in found.items()}


_READERS: Mapping[str, Callable[[Any], Values]] = {
    "mp3": _leading_id3,
    "flac": lambda file: _comment(FLAC(file).tags),
    "ogg-vorbis": lambda file: _comment(OggVorbis(file).tags),
    "ogg-opus": lambda file: _comment(OggOpus(file).tags),
    "ogg-speex": lambda file: _comment(OggSpeex(file).tags),
    "ogg-flac": lambda file: _comment(OggFLAC(file).tags),
    "mp4": lambda file: _mp4(MP4(file).tags),
    "wav": lambda file: _id3(WAVE(file).tags),
    "aiff": lambda file: _id3(AIFF(file).tags),
    "wavpack": _ape,
    "musepack": _ape,
    "ape": _ape,
    "asf": lambda file: _asf(ASF(file).tags),
    "dsf": lambda file: _id3(DSF(file).tags),
    "tta": _leading_id3,
}
