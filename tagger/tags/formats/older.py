"""What older kinds of tags say, which readers no longer show once a file has a tag of the kind that we write.

Each is a mapping of field name -> values, by the names of `names.CARRIED`, REPLAYGAIN_*, and "genre", "mood" and
"grouping". The genre of an ID3v1 tag is no value of a user's, here as elsewhere. What cannot be read for certain raises
FormatError, for then it would be lost to readers.
"""

import io
import re
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from mutagen.id3 import ID3, ParseID3v1

from tagger.tags.fields import STANDARD
from tagger.tags.formats import ape, id3_values
from tagger.tags.formats.base import FormatError
from tagger.tags.formats.names import CARRIED, GAIN
from tagger.tags.formats.tails import Tail
from tagger.tags.refusals import Reason

Older = Mapping[str, tuple[str, ...]]

_DATE = re.compile(r"(?<!\d)\d{4}(-\d\d(-\d\d)?)?(?!\d)")
_OF_ID3 = {names.id3: name for name, names in CARRIED.items()}
_OF_APE = {
    **{names.vorbis: name for name, names in CARRIED.items()},  # as several programs have them in APE tags, too
    **{names.ape.upper(): name for name, names in CARRIED.items()},
    **{name.upper(): name for name in STANDARD},
}
_OF_INFO = {info: name for name, names in CARRIED.items() for info in names.info} | {"IGNR": "genre"}


def of_file(file: BinaryIO, id3v2: Iterable[bytes], tail: Tail, *, ape_tags: bool = True) -> Older:
    """What ID3v2 tags, APE tags and ID3v1 say together: the first of them that says anything of a field."""
    found = [from_id3v2(raw) for raw in id3v2]
    if ape_tags:
        found += [from_ape(raw) for raw in tail.read(file, "ape")]
    found += [from_id3v1(raw) for raw in tail.read(file, "id3v1")]
    return merged(found)


def merged(found: Iterable[Older]) -> Older:
    together: dict[str, tuple[str, ...]] = {}
    for one in found:
        together = {**one, **together}
    return {name: together[name] for name in (*CARRIED, *sorted(together.keys() - CARRIED.keys())) if name in together}


def from_id3v2(raw: bytes) -> Older:
    """A tag of any version."""
    try:
        tag = ID3(io.BytesIO(raw), load_v1=False)
    except MemoryError:  # says nothing of the tag
        raise
    except Exception as error:  # mutagen meets hostile input here and leaks errors of every kind
        raise FormatError(Reason.ID3_DAMAGED, f"an older tag: {error}") from error
    pairs = [(name, map(str, tag[frame_id].text)) for frame_id, name in _OF_ID3.items() if frame_id in tag]
    pairs += [("comment", map(str, frame.text)) for frame in tag.getall("COMM") if not frame.desc]
    pairs += [(frame.desc.upper(), map(str, frame.text)) for frame in tag.getall("TXXX")]
    values = id3_values.read_tag(raw)
    return _known([*pairs, ("genre", values.genre), ("mood", values.mood), ("grouping", values.grouping)])


def from_ape(raw: bytes) -> Older:
    """The whole tag."""
    pairs = []
    for item in ape.parse(raw, 0).items:
        key = item.key.decode("latin-1").upper()
        name = _OF_APE.get(key, key)
        if _is_known(name) and not item.sound:
            raise FormatError(Reason.APE_ITEM, f"{key} is no UTF-8")
        pairs.append((name, item.texts))
    return _known(pairs)


def from_id3v1(raw: bytes) -> Older:
    """The 128 bytes."""
    frames = (ParseID3v1(raw) or {}).values()
    return _known(
        (_OF_ID3[frame.FrameID], [_decoded(str(text).encode("latin-1")) for text in frame.text])
        for frame in frames
        if frame.FrameID in _OF_ID3
    )


def from_info(parts: Iterable[bytes]) -> Older:
    """The entries of a LIST INFO, each with its header."""
    return _known((_OF_INFO.get(part[:4].decode("latin-1"), ""), (info_text(part),)) for part in parts)


def info_text(part: bytes) -> str:
    """The text of an entry."""
    return _decoded(part[8:].split(b"\0", 1)[0])


def _decoded(text: bytes) -> str:
    """Of ID3v1 or LIST INFO, which declare no encoding: UTF-8, as FFmpeg takes it, wherever it can be that."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _known(pairs: Iterable[tuple[str, Iterable[str]]]) -> Older:
    """The first of each field that we know and that is not empty."""
    found: dict[str, tuple[str, ...]] = {}
    for name, texts in pairs:
        values = tuple(text for text in texts if text.strip())
        if name == "date":
            values = tuple(match[0] for text in values[:1] if (match := _DATE.search(text)))
        if values and _is_known(name):
            found.setdefault(name, values)
    return found


def _is_known(name: str) -> bool:
    return name in CARRIED or name in STANDARD or name.startswith(GAIN)
