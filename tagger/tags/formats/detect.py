"""Which container a file is, by its content; the suffix must agree."""

from typing import BinaryIO

from tagger.tags.formats import id3
from tagger.tags.formats.adts import ADTS
from tagger.tags.formats.ape_files import MONKEYS_AUDIO, MUSEPACK, WAVPACK
from tagger.tags.formats.asf import ASF
from tagger.tags.formats.base import Format, FormatError
from tagger.tags.formats.dsf import DSF
from tagger.tags.formats.flac import FLAC
from tagger.tags.formats.iff import AIFF, WAV
from tagger.tags.formats.matroska import MATROSKA
from tagger.tags.formats.mp3 import MP3
from tagger.tags.formats.mp4 import MP4
from tagger.tags.formats.ogg import OGG_FLAC, OPUS, SPEEX, VORBIS
from tagger.tags.formats.tta import TTA
from tagger.tags.refusals import Reason

FORMATS: tuple[Format, ...] = (
    *(FLAC, VORBIS, OPUS, SPEEX, OGG_FLAC, MP4, WAV, AIFF, ASF),
    *(WAVPACK, MUSEPACK, MONKEYS_AUDIO, DSF, TTA, MATROSKA, ADTS, MP3),
)
"""In the order in which they are asked: MP3 last, its frames have the weakest mark."""

_HEAD_BYTES = 65_536


def detect(file: BinaryIO, suffix: bytes) -> Format:
    """The format of an open file. `suffix` is the end of its name, dot included, in any case.

    Raises FormatError: NOT_AUDIO or OGG_OTHER for content of no format here, WRONG_SUFFIX where content and name
    disagree.
    """
    tags = id3.leading_tags(file)
    file.seek(sum(tags[-1]) if tags else 0)
    head = file.read(_HEAD_BYTES)
    found = next((known for known in FORMATS if known.matches(head)), None)
    if found is None:
        raise FormatError(Reason.OGG_OTHER if head.startswith(b"OggS") else Reason.NOT_AUDIO)
    if suffix.lower() not in found.suffixes:
        raise FormatError(Reason.WRONG_SUFFIX, f"{found.name} named {suffix.decode(errors='replace')}")
    return found


def by_name(name: str) -> Format:
    """The format of an inspection's `container`. Raises KeyError for a container without a format here."""
    return {known.name: known for known in FORMATS}[name]
