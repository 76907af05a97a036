"""ID3v2.4 as iTunes wrote it, with plain frame sizes: whoever read such a tag before we wrote it reads it after."""

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import mutagen.id3
import pytest

from tagger.tags.formats.base import FormatError, Style
from tagger.tags.formats.detect import detect
from tagger.tags.formats.id3_frames import sizes_look_plain
from tagger.tags.refusals import Reason
from tagger.tags.splice import blocks
from tests.audio import write_audio
from tests.tags.formats.id3_bytes import frame, plain_frame, tag

TITLE, ARTIST, GENRE = (
    plain_frame(name, b"\3" + text) for name, text in ((b"TIT2", b"Title"), (b"TPE1", b"Artist"), (b"TCON", b"Ambient"))
)
COVER = plain_frame(b"APIC", b"\0image/jpeg\0\3\0\xff\xd8\xff\xe0" + bytes(range(1, 256)) * 20)
NORM = plain_frame(b"COMM", b"\0engiTunNORM\0" + b" 000003A2" * 20)
CHANGES = {"genre": ("Jazz", "Blues"), "mood": ("Happy",), "TAGGER_MODEL": ("tagger-default-1-0123456789ab",)}
BODIES = {
    "the cover last": TITLE + NORM + COVER + bytes(1000),
    "the cover in the middle": TITLE + COVER + ARTIST + NORM + GENRE + bytes(1000),
    "hardly any padding": TITLE + COVER + ARTIST + bytes(3),
    "no padding": TITLE + COVER + ARTIST,
    "a cover alone": COVER + bytes(300),
    "the genre behind the cover": TITLE + COVER + GENRE + bytes(200),
    "the genre behind the cover, without padding": TITLE + COVER + GENRE,
}


@pytest.fixture(scope="module")
def mp3(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_audio(tmp_path_factory.mktemp("plain"), "mp3", 0.5).read_bytes()


def written(path: Path, changes: dict[str, tuple[str, ...]]) -> Path:
    file = io.BytesIO(path.read_bytes())
    plan = detect(file, b".mp3").splice(file, changes, Style())
    new = path.with_name("new.mp3")
    with path.open("rb") as source:
        new.write_bytes(b"".join(blocks(plan, source.fileno())))
    return new


@pytest.mark.parametrize("body", BODIES)
def test_every_reader_goes_on_reading_all(
    body: str, mp3: bytes, tmp_path: Path, need: Callable[[str], str], need_module: Callable[[str], ModuleType]
) -> None:
    taglib, ffprobe = need_module("taglib"), need("ffprobe")

    def shown(path: Path) -> set[tuple[str, str]]:
        """What mutagen, TagLib and FFmpeg find, values of ours left out."""
        found = {("mutagen", repr(one)) for one in mutagen.id3.ID3(path, translate=False, load_v1=False).values()}
        with taglib.File(str(path)) as file:
            found |= {("TagLib", f"{name} {values}") for name, values in file.tags.items()}
        asked = (ffprobe, "-v", "error", "-show_entries", "format_tags:stream=codec_name", "-of", "json", path)
        told = json.loads(subprocess.run(asked, check=True, capture_output=True).stdout)
        found |= {("FFmpeg", f"{name} {text}") for name, text in told["format"].get("tags", {}).items()}
        found |= {("FFmpeg", stream["codec_name"]) for stream in told["streams"]}
        return {(reader, text) for reader, text in found if "GENRE" not in text.upper() and "TCON" not in text}

    path = tmp_path / "track.mp3"
    path.write_bytes(tag(4, 0, BODIES[body]) + mp3)
    new = written(path, CHANGES)
    assert shown(path) <= shown(new)
    with taglib.File(str(new)) as file:
        assert (file.tags["GENRE"], file.tags["MOOD"]) == (["Jazz", "Blues"], ["Happy"])


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (TITLE + COVER + GENRE + bytes(100), {"genre": ()}),  # TagLib could no longer tell where the cover ends
        (TITLE + COVER + ARTIST + bytes(100), {"mood": ("Happy " * 30,)}),  # of which kind its size is, nobody could
    ],
)
def test_what_some_reader_would_misread_is_refused(
    body: bytes, changes: dict[str, tuple[str, ...]], mp3: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "track.mp3"
    path.write_bytes(tag(4, 0, body) + mp3)
    with pytest.raises(FormatError) as refusal:
        written(path, changes)
    assert refusal.value.reason == Reason.ID3_SIZES


def test_sizes_of_both_kinds_in_one_tag_are_refused(mp3: bytes, tmp_path: Path) -> None:
    path = tmp_path / "track.mp3"
    path.write_bytes(tag(4, 0, TITLE + COVER + frame(4, b"COMM", b"\0eng\0" + b"x" * 300) + ARTIST + bytes(100)) + mp3)
    with pytest.raises(FormatError) as refusal:
        written(path, CHANGES)
    assert refusal.value.reason == Reason.ID3_DAMAGED


def test_sizes_by_the_standard_do_not_look_plain() -> None:
    assert sizes_look_plain(TITLE + COVER + ARTIST)
    assert not sizes_look_plain(TITLE + frame(4, b"APIC", COVER[10:]) + ARTIST)
    assert not sizes_look_plain(TITLE + ARTIST + bytes(100)), "nobody can tell"
