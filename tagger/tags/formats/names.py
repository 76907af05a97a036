"""What a new tag takes over from an older one, under its name in each kind of tag.

A REPLAYGAIN_* field is taken over as well, under its own name everywhere.

Names as TagLib maps them: https://github.com/taglib/taglib/blob/master/taglib/toolkit/propertymapping.dox
"""

from collections.abc import Mapping
from typing import NamedTuple


class Names(NamedTuple):
    id3: str  # version 2.4
    id3_v22: str
    vorbis: str
    ape: str
    info: tuple[str, ...]  # in a WAV's LIST INFO


CARRIED: Mapping[str, Names] = {
    "title": Names("TIT2", "TT2", "TITLE", "Title", ("INAM",)),
    "artist": Names("TPE1", "TP1", "ARTIST", "Artist", ("IART",)),
    "album": Names("TALB", "TAL", "ALBUM", "Album", ("IPRD",)),
    "albumartist": Names("TPE2", "TP2", "ALBUMARTIST", "Album Artist", ()),
    "composer": Names("TCOM", "TCM", "COMPOSER", "Composer", ("IMUS",)),
    "date": Names("TDRC", "TYE", "DATE", "Year", ("ICRD",)),
    "track": Names("TRCK", "TRK", "TRACKNUMBER", "Track", ("IPRT", "ITRK")),
    "disc": Names("TPOS", "TPA", "DISCNUMBER", "Disc", ()),
    "comment": Names("COMM", "COM", "COMMENT", "Comment", ("ICMT",)),
}
GAIN = "REPLAYGAIN_"
