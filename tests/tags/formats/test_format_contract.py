"""What every container must do, over files as encoders and taggers leave them."""

import io
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import av
import mutagen.apev2
import mutagen.asf
import mutagen.dsf
import mutagen.flac
import mutagen.id3
import mutagen.mp4
import mutagen.oggflac
import mutagen.oggopus
import mutagen.oggspeex
import mutagen.oggvorbis
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagger.ownership import equal
from tagger.tags import opinion
from tagger.tags.formats.base import Format, FormatError, Literal, Style
from tagger.tags.formats.detect import FORMATS, detect
from tagger.tags.splice import blocks, inverse
from tests import ape_files
from tests.audio import write_audio, write_speex
from tests.ogg_headers import with_headers
from tests.tags.formats import flac_bytes, id3_bytes, mp4_bytes, others_frames

CHANGES = {
    "genre": ("Jazz",),
    "mood": ("Happy",),
    "grouping": ("Happy",),
    "TAGGER_GENRE": ("jazz",),
    "TAGGER_MOOD": ("happy",),
    "TAGGER_VALENCE": ("0.71",),
}
HEARD_ONLY = {"aac", "matroska"}
"""In test_heard_only.py."""
ENCODED = (
    *("mp3", "flac", "ogg-vorbis", "ogg-opus", "ogg-speex", "ogg-flac", "m4a", "alac", "wav", "aiff", "wma"),
    *("wavpack", "dsf", "tta"),
)
KINDS = (*ENCODED, *ape_files.KINDS)


def _id3_v24(path: Path) -> None:
    tag = mutagen.id3.ID3()
    tag.add(mutagen.id3.TIT2(encoding=3, text="Tïtle"))
    tag.add(mutagen.id3.TCON(encoding=3, text="Ambient"))
    tag.add(mutagen.id3.APIC(encoding=0, mime="image/png", type=3, desc="", data=bytes(range(256)) * 40))
    tag.add(mutagen.id3.PRIV(owner="x", data=b"\0\1\2"))
    tag.save(path, v1=2)


def _id3_v23(path: Path) -> None:
    tag = mutagen.id3.ID3()
    tag.add(mutagen.id3.TIT2(encoding=1, text="Title"))
    tag.add(mutagen.id3.TYER(encoding=0, text="1999"))
    tag.save(path, v2_version=3, v1=0)


def _comment(kind: type) -> Callable[[Path], None]:
    def tagged(path: Path) -> None:
        file = kind(path)
        file["TITLE"] = ["one", "two"]
        file["Genre"] = ["Ambient", "Noise"]
        file.save()

    return tagged


def _large_comment(path: Path) -> None:
    """More than a page of it: a cover, as Ogg files carry it."""
    file = mutagen.oggvorbis.OggVorbis(path)
    file["METADATA_BLOCK_PICTURE"] = ["A" * 64_900]
    file.save()


def _cover_block(path: Path) -> None:
    """FLAC in Ogg: a picture of more than a page, and padding, each a metadata block in a packet of its own."""

    def change(packets: list[bytes]) -> list[bytes]:
        head, comment = packets
        picture = mutagen.flac.Picture()
        picture.mime, picture.data = "image/png", bytes(range(256)) * 400
        block = picture.write()
        return [
            head[:7] + (3).to_bytes(2, "big") + head[9:],
            bytes((comment[0] & 0x7F,)) + comment[1:],
            b"\x06" + len(block).to_bytes(3, "big") + block,
            b"\x81" + (100).to_bytes(3, "big") + bytes(100),
        ]

    with_headers(path, change)


def _odd_comment(path: Path) -> None:
    """Entries of every kind, and what Opus allows behind them: binary data that is to be kept."""
    block = b"OpusTags" + flac_bytes.comment(*flac_bytes.FOUND) + b"\1binary"
    with_headers(path, lambda packets: [packets[0], block])


def _uncounted(path: Path) -> None:
    with_headers(path, lambda packets: [packets[0][:7] + b"\0\0" + packets[0][9:], packets[1]])


def _latin1(path: Path) -> None:
    """An entry that is no UTF-8, as old encoders wrote them."""
    file = mutagen.flac.FLAC(path)
    file["TITLE"] = "XXXX"
    file.save()
    path.write_bytes(path.read_bytes().replace(b"TITLE=XXXX", b"TITLE=B\xf6rk"))


def _mp4(path: Path) -> None:
    file = mutagen.mp4.MP4(path)
    file["\xa9nam"] = "Title"
    file["covr"] = [mutagen.mp4.MP4Cover(bytes(5_000), imageformat=mutagen.mp4.MP4Cover.FORMAT_PNG)]
    file["----:com.example:THING"] = b"foreign"
    file.save()


def _audio_last(path: Path) -> None:
    """Its metadata before its audio, as files for streaming have it: the offset tables must follow the audio."""
    content = io.BytesIO(path.read_bytes())
    with (
        av.open(content) as source,
        av.open(str(path), "w", format="ipod", options={"movflags": "faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)


def _long_offsets(path: Path) -> None:
    """The same with offsets and a size of 64 bits."""
    _audio_last(path)
    content = path.read_bytes()
    atoms = {name: (start, stop) for name, start, stop in _atoms(content, 0, len(content))}
    (moov, behind), (mdat, end) = atoms[b"moov"], atoms[b"mdat"]
    shift = len(_widened(content, moov, behind, 0)) - (behind - moov) + 8
    audio = b"\0\0\0\1mdat" + (end - mdat + 8).to_bytes(8, "big") + content[mdat + 8 : end]
    path.write_bytes(
        content[:moov] + _widened(content, moov, behind, shift) + content[behind:mdat] + audio + content[end:]
    )


def _atoms(content: bytes, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    while start + 8 <= stop:
        end = start + int.from_bytes(content[start : start + 4], "big")
        yield content[start + 4 : start + 8], start, end
        start = end


def _widened(content: bytes, start: int, stop: int, shift: int) -> bytes:
    """The atoms of this range, each stco in them a co64 whose offsets are `shift` bytes further on."""
    made = b""
    for name, at, end in _atoms(content, start, stop):
        body = content[at + 8 : end]
        if name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
            body = _widened(content, at + 8, end, shift)
        elif name == b"stco":
            offsets = struct.unpack(f">{len(body) // 4 - 2}I", body[8:])
            name, body = b"co64", body[:8] + b"".join((one + shift).to_bytes(8, "big") for one in offsets)
        made += (8 + len(body)).to_bytes(4, "big") + name + body
    return made


def _ape(path: Path) -> None:
    """Items in odd case, a value of two, binary ones, a foreign one that is read-only; a large cover last."""
    tag = ape_files.tag(
        ape_files.item(b"tITLE", "Tïtle".encode()),
        ape_files.item(b"GENRE", b"Ambient\0Noise"),
        ape_files.item(b"Year", b"1999-01-02"),
        ape_files.item(b"Catalog", b"kept as it is", flags=1),
        ape_files.item(b"Fingerprint", bytes(range(256)), flags=2),
        ape_files.item(b"Related", b"https://example.org/", flags=4),
        ape_files.item(b"Cover Art (Front)", b"cover.png\0" + bytes(range(256)) * 1_200, flags=2),
    )
    path.write_bytes(ape_files.untagged(path.read_bytes()) + tag)


def _bare_ape(path: Path) -> None:
    """A tag without header, in its version 1."""
    tag = ape_files.tag(ape_files.item(b"Title", b"Title"), version=1000, header=False)
    path.write_bytes(ape_files.untagged(path.read_bytes()) + tag)


def _info_genre(path: Path) -> None:
    """A WAV as other programs leave it, its genre in LIST INFO."""
    content = path.read_bytes()
    info = b"INFO" + b"IGNR" + (4).to_bytes(4, "little") + b"Pop\0" + b"INAM" + (2).to_bytes(4, "little") + b"x\0"
    content += b"LIST" + len(info).to_bytes(4, "little") + info
    path.write_bytes(content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:])


def _asf(path: Path) -> None:
    """As mutagen leaves it: the second genre in the Metadata Library, padding at the end of the header."""
    file = mutagen.asf.ASF(path)
    file["Title"], file["Author"], file["WM/Year"] = "Title", "Artist", "1999"
    file["WM/Genre"] = ["Ambient", "Noise"]
    file["WM/Picture"] = mutagen.asf.ASFByteArrayAttribute(bytes(range(256)) * 300)
    file.save()


def _bare_names(path: Path) -> None:
    """Genre and mood by names that are not Microsoft's."""
    file = mutagen.asf.ASF(path)
    file["Title"], file["Genre"], file["mood"], file["WM/GenreID"] = "Title", "Ambient", ["Sad", "Calm"], "17"
    file.save()


def _dsf(version: int) -> Callable[[Path], None]:
    def tagged(path: Path) -> None:
        file = mutagen.dsf.DSF(path)
        file.add_tags()
        file.tags.add(mutagen.id3.TIT2(encoding=1, text="Tïtle"))
        file.tags.add(mutagen.id3.TPE1(encoding=1, text="Artist"))
        file.tags.add(mutagen.id3.APIC(encoding=0, mime="image/png", type=3, desc="", data=bytes(range(256)) * 40))
        file.tags.add(mutagen.id3.TXXX(encoding=0, desc="foreign", text="kept"))
        file.save(v2_version=version)

    return tagged


def _ape_tail(path: Path) -> None:
    """An APE tag without a field of ours behind the audio, an ID3v2 tag in front."""
    tag = mutagen.apev2.APEv2()
    tag["Artist"] = "Artist"
    tag["Replaygain_Track_Gain"] = "-3 dB"
    tag.save(path)
    _id3_v23(path)


DRESSED: dict[str, tuple[str, Callable[[Path], None]]] = {
    "mp3 v2.4 and v1": ("mp3", _id3_v24),
    "mp3 v2.3": ("mp3", _id3_v23),
    **{name: ("mp3", id3_bytes.in_front(name)) for name in id3_bytes.TAGS},
    **{
        f"{kind} v2.{version} of other programs": (kind, others_frames.id3(kind, version))
        for kind in ("mp3", "wav", "aiff")
        for version in (3, 4)
    },
    "flac of a DJ": ("flac", others_frames.comments),
    "m4a of a DJ": ("m4a", others_frames.atoms),
    "flac with values": ("flac", _comment(mutagen.flac.FLAC)),
    "flac Latin-1": ("flac", _latin1),
    "ogg with values": ("ogg-vorbis", _comment(mutagen.oggvorbis.OggVorbis)),
    "flac as it is found": ("flac", flac_bytes.as_it_is_found),
    "opus as it is found": ("ogg-opus", _odd_comment),
    "ogg with a cover": ("ogg-vorbis", _large_comment),
    "opus with values": ("ogg-opus", _comment(mutagen.oggopus.OggOpus)),
    "speex with values": ("ogg-speex", _comment(mutagen.oggspeex.OggSpeex)),
    "ogg flac with values": ("ogg-flac", _comment(mutagen.oggflac.OggFLAC)),
    "ogg flac with a cover": ("ogg-flac", _cover_block),
    "ogg flac of an unknown number of headers": ("ogg-flac", _uncounted),
    "m4a with values": ("m4a", _mp4),
    "m4a with its audio last": ("m4a", _audio_last),
    "m4a as it is found": ("m4a", mp4_bytes.as_it_is_found),
    "alac with long offsets": ("alac", _long_offsets),
    "wav with INFO": ("wav", _info_genre),
    "wma with values": ("wma", _asf),
    "wma with bare names": ("wma", _bare_names),
    **{f"{kind} with an APE tag": (kind, _ape) for kind in ("wavpack", *ape_files.KINDS)},
    "wavpack with a bare tag": ("wavpack", _bare_ape),
    "dsf v2.4": ("dsf", _dsf(4)),
    "dsf v2.3": ("dsf", _dsf(3)),
    "tta v2.4 and v1": ("tta", _id3_v24),
    "tta v2.3": ("tta", _id3_v23),
    "tta with an APE tag": ("tta", _ape_tail),
    **{kind: (kind, lambda path: None) for kind in KINDS},
}


class Plain(dict[str, bytes]):
    """A second or less in every container, as its encoder leaves it; made when it is asked for."""

    def __init__(self, folder: Path, need: Callable[[str], str], seconds: float = 1.0) -> None:
        self.folder, self.need, self.seconds = folder, need, seconds

    def __missing__(self, kind: str) -> bytes:
        if kind in ape_files.KINDS:
            made = ape_files.write(self.folder, kind)
        elif kind == "ogg-speex":
            made = write_speex(self.folder, self.need, self.seconds)
        else:
            made = write_audio(self.folder, kind, 0.2 if kind == "dsf" else self.seconds, name=kind)
        self[kind] = made.read_bytes()
        return self[kind]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Plain:
    return Plain(tmp_path_factory.mktemp("plain"), need)


SUFFIX = {
    **{"ogg-vorbis": "ogg", "ogg-opus": "opus", "ogg-speex": "spx", "ogg-flac": "oga", "alac": "m4a", "wavpack": "wv"},
    **ape_files.KINDS,
}


@pytest.fixture(params=DRESSED)
def path(request: pytest.FixtureRequest, plain: Plain, tmp_path: Path) -> Path:
    kind, dress = DRESSED[request.param]
    made = tmp_path / f"track.{SUFFIX.get(kind, kind)}"
    made.write_bytes(plain[kind])
    dress(made)
    return made


def opened(path: Path) -> tuple[Format, io.BytesIO]:
    file = io.BytesIO(path.read_bytes())
    return detect(file, path.suffix.encode()), file


def spliced(path: Path, changes: dict[str, tuple[str, ...]]) -> tuple[bytes, bytes]:
    """The new file, and the old one as the inverse plan rebuilds it."""
    container, file = opened(path)
    plan = container.splice(file, changes, Style())
    old = file.getvalue()
    with path.open("rb") as source:
        new = b"".join(blocks(plan, source.fileno()))
    record = inverse(plan, len(old), lambda offset, length: old[offset : offset + length])
    result = path.with_name("new" + path.suffix)
    result.write_bytes(new)
    with result.open("rb") as source:
        return new, b"".join(blocks(record, source.fileno()))


def test_a_splice_sets_the_fields_and_nothing_else(path: Path) -> None:
    container, file = opened(path)
    before = container.read(file)
    identity = container.identity(file)
    old = path.read_bytes()
    new, rebuilt = spliced(path, CHANGES)
    after = container.read(io.BytesIO(new))
    assert after.refusal is None
    assert (after.tags.genre, after.tags.mood, after.tags.grouping) == (("Jazz",), ("Happy",), ("Happy",))
    assert after.tags.own == {name: values for name, values in CHANGES.items() if name.startswith("TAGGER_")}
    assert after.foreign == before.foreign
    assert (after.tags.artist, after.tags.title, after.tags.year) == (
        before.tags.artist,
        before.tags.title,
        before.tags.year,
    )
    assert container.identity(io.BytesIO(new)) == identity
    assert rebuilt == old


def test_mutagen_and_pyav_agree(path: Path) -> None:
    new, _ = spliced(path, CHANGES)
    container, _ = opened(path)
    seen = opinion.values(io.BytesIO(new), container.name)
    assert {name: seen.get(name) for name in CHANGES} == CHANGES
    assert np.array_equal(samples(path.read_bytes()), samples(new))


def test_taglib_agrees(path: Path, request: pytest.FixtureRequest, need_module: Callable[[str], ModuleType]) -> None:
    taglib = need_module("taglib")
    if request.node.callspec.params["path"] == "mp3 v2.3 with an extended header":
        with taglib.File(str(path)) as file:
            assert file.tags == {}  # it reads no such tag, whoever wrote it
        return
    spliced(path, CHANGES)
    with taglib.File(str(path.with_name("new" + path.suffix))) as file:
        assert file.tags["GENRE"] == ["Jazz"]
        assert file.tags["MOOD"] == ["Happy"]
        work = opened(path)[0].name in ("mp3", "wav", "aiff", "dsf", "tta", "asf")  # its name for it in ID3 and WMA
        assert file.tags["WORK" if work else "GROUPING"] == ["Happy"]
        if path.suffix == ".wma":  # whose attributes TagLib lists, beside those that it has a name for
            assert "TAGGER_VALENCE" in file.unsupported
        else:
            assert file.tags["TAGGER_VALENCE"] == ["0.71"]


def test_a_grouping_that_is_not_asked_for_stays_byte_for_byte(path: Path) -> None:
    """Also one that another program left; and none comes where there was none."""
    others = {name: values for name, values in CHANGES.items() if name != "grouping"}
    container, file = opened(path)
    assert container.read(file).tags.grouping == ()
    bare, _ = spliced(path, others)
    assert container.read(io.BytesIO(bare)).tags.grouping == ()
    theirs, _ = spliced(path, {"grouping": ("Peak time",)})
    path.write_bytes(theirs)
    new, _ = spliced(path, others)
    assert container.read(io.BytesIO(new)).tags.grouping == ("Peak time",)
    plan = container.splice(io.BytesIO(theirs), others, Style())
    written = b"".join(part.data for part in plan if isinstance(part, Literal))
    assert not any("Peak".encode(encoding) in written for encoding in ("utf-8", "utf-16-le")), "not copied"


def test_an_id3_grouping_of_another_program_is_copied_as_it_is_stored(plain: Plain, tmp_path: Path) -> None:
    """In UTF-16, which we would not write for it, also in a second tag, where it stands in the way of nothing."""
    path = tmp_path / "track.mp3"
    frame = id3_bytes.frame(3, b"TIT1", b"\1" + "Peak\0Time".encode("utf-16"))
    first, second = id3_bytes.tag(3, 0, frame + bytes(200)), id3_bytes.tag(3, 0, frame + bytes(20))
    path.write_bytes(first + second + plain["mp3"])
    new, _ = spliced(path, {"genre": ("Jazz",), "mood": ("Happy",)})
    assert new.count(frame) == 2
    renewed, rebuilt = spliced(path, {"grouping": ("Happy",)})
    assert renewed.count(frame) == 1
    assert opened(path)[0].read(io.BytesIO(renewed)).tags.grouping == ("Happy",)
    assert rebuilt == path.read_bytes()


@pytest.mark.parametrize("kind", ["mp3", "wav", "aiff"])
@pytest.mark.parametrize("version", [3, 4])
def test_every_frame_of_other_programs_stays_to_the_byte_and_in_order(
    kind: str, version: int, plain: Plain, tmp_path: Path
) -> None:
    """Those that are compressed, encrypted, unknown, empty or wrong, too; and covers of five megabytes each."""
    cover = random.Random(version).randbytes(5 << 20)
    covers = [id3_bytes.frame(version, b"APIC", b"\0image/png\0\3\0" + bytes((n,)) + cover) for n in range(2)]
    frames = [*covers, *others_frames.frames(version)]
    path = tmp_path / f"track.{kind}"
    path.write_bytes(plain[kind])
    others_frames.id3(kind, version, *covers)(path)
    new, rebuilt = spliced(path, CHANGES)
    at = 0
    for frame in frames:
        assert frame in new[at:]
        at = new.index(frame, at) + len(frame)
    assert b"".join(frames) in new, "nothing between them"
    assert rebuilt == path.read_bytes()


def test_a_second_splice_changes_no_foreign_byte_and_little_size(path: Path) -> None:
    new, _ = spliced(path, CHANGES)
    path.write_bytes(new)
    again, rebuilt = spliced(path, CHANGES | {"genre": ("Blues",), "TAGGER_GENRE": ("blues",)})
    assert rebuilt == new
    assert abs(len(again) - len(new)) < 64
    assert opened(path)[0].read(io.BytesIO(again)).tags.genre == ("Blues",)


def test_fields_can_be_taken_out_again(path: Path) -> None:
    new, _ = spliced(path, CHANGES)
    path.write_bytes(new)
    container, file = opened(path)
    foreign = container.read(file).foreign
    without, _ = spliced(path, dict.fromkeys(CHANGES, ()))
    left = container.read(io.BytesIO(without))
    assert (left.tags.genre, left.tags.mood, left.tags.grouping, left.tags.own) == ((), (), (), {})
    assert left.foreign == foreign


LABELS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=30).filter(
    lambda text: text.strip() == text and not text[0].isdigit() and text[0] != "("
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(LABELS, min_size=1, max_size=3, unique=True))
def test_any_text_comes_back(values: list[str], plain: Plain, tmp_path: Path) -> None:
    for kind in ("mp3", "flac", "ogg-opus", "m4a", "wma", "musepack 8"):
        path = tmp_path / f"any.{SUFFIX.get(kind, kind)}"
        path.write_bytes(plain[kind])
        new, _ = spliced(path, {"mood": tuple(values), "TAGGER_MOOD": tuple(values)})
        tags = opened(path)[0].read(io.BytesIO(new)).tags
        assert tags.mood == tuple(values)
        assert equal(tags.own["TAGGER_MOOD"], tuple(values), Style().v23_separator)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_refused_and_never_crash(kind: str, plain: Plain, tmp_path: Path) -> None:
    """Seeded mutations: whatever comes of one, it is a value or a FormatError, and nothing foreign is lost."""
    generator = random.Random(kind)
    whole = plain[kind]
    refused = 0
    for number in range(60):
        content = bytearray(whole)
        for _ in range(generator.randint(1, 6)):
            content[generator.randrange(min(len(content), 6_000))] = generator.randrange(256)
        if number % 3 == 0:
            content = content[: generator.randrange(1, len(content))]
        path = tmp_path / f"m.{SUFFIX.get(kind, kind)}"
        path.write_bytes(content)
        try:
            container, file = opened(path)
            before = container.read(file)
            container.identity(file)
            new, rebuilt = spliced(path, CHANGES)
        except FormatError:
            refused += 1
            continue
        assert rebuilt == bytes(content)
        assert container.read(io.BytesIO(new)).foreign == before.foreign or before.refusal
    assert refused < 60


def test_every_format_is_in_the_suite() -> None:
    assert {container.name for container in FORMATS} == {
        *("mp3", "flac", "ogg-vorbis", "ogg-opus", "ogg-speex", "ogg-flac", "mp4", "wav", "aiff", "asf"),
        *("wavpack", "musepack", "ape", "dsf", "tta"),
    } | HEARD_ONLY


def samples(content: bytes) -> np.ndarray:
    with av.open(io.BytesIO(content), metadata_errors="replace") as container:
        return np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)])
