"""WMA: attributes of every type and object, padding wherever it lies, several values, and what is refused."""

import io
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from uuid import UUID

import av
import mutagen.asf
import pytest
from mutagen.asf import ASFValue

from tagger.ownership import equal
from tagger.tags import opinion
from tagger.tags.formats.asf import ASF
from tagger.tags.formats.asf_objects import (
    DATA,
    EXTENDED_DESCRIPTION,
    EXTENSION,
    FILE_PROPERTIES,
    HEADER,
    METADATA,
    METADATA_LIBRARY,
    PADDING,
    STREAM_PROPERTIES,
)
from tagger.tags.formats.base import PADDING_BYTES, FormatError, Style
from tagger.tags.refusals import Reason
from tagger.tags.splice import blocks, inverse
from tests.audio import write_audio

CHANGES = {
    "genre": ("Jazz", "Bebop", "Ambient"),
    "mood": ("Calm", "Sad"),
    "TAGGER_GENRE": ("jazz", "bebop", "ambient"),
    "TAGGER_VALENCE": ("0.71",),
}
Parts = list[tuple[bytes, bytes]]
"""GUID and body of each object."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_audio(tmp_path_factory.mktemp("plain"), "wma", 1.0).read_bytes()


@pytest.fixture(scope="module")
def dressed(plain: bytes) -> bytes:
    """As mutagen leaves it, with foreign attributes of every type, for languages and streams."""
    file = io.BytesIO(plain)
    tags = mutagen.asf.ASF(file)
    tags["Title"], tags["Author"], tags["WM/AlbumTitle"] = "Tïtle", ["One", "Two"], "Album"
    tags["WM/Year"] = "1999-05-01"
    tags["WM/Genre"], tags["WM/Mood"] = ["Noise", "Drone"], ["Angry"]
    tags["WM/Picture"] = ASFValue(bytes(range(256)) * 300, mutagen.asf.BYTEARRAY)
    tags["x/Small"] = ASFValue(b"\0\1\2", mutagen.asf.BYTEARRAY)
    tags["x/Bool"] = ASFValue(True, mutagen.asf.BOOL, stream=1)
    tags["x/DWord"] = ASFValue(7, mutagen.asf.DWORD)
    tags["x/QWord"] = ASFValue(1 << 40, mutagen.asf.QWORD, stream=1)
    tags["x/Word"] = ASFValue(9, mutagen.asf.WORD, language=0)
    tags["x/Guid"] = ASFValue(bytes(range(16)), mutagen.asf.GUID)
    tags["x/Text"] = [ASFValue("ein", mutagen.asf.UNICODE, language=1), ASFValue("zwei", mutagen.asf.UNICODE)]
    file.seek(0)
    tags.save(file, padding=lambda info: 40)
    return file.getvalue()


def parts(content: bytes, start: int, stop: int) -> Iterator[tuple[bytes, bytes]]:
    while start < stop:
        length = int.from_bytes(content[start + 16 : start + 24], "little")
        yield content[start : start + 16], content[start + 24 : start + length]
        start += length


def split(content: bytes) -> tuple[Parts, bytes]:
    """The objects of the header, and all that is behind it."""
    end = int.from_bytes(content[16:24], "little")
    return list(parts(content, 30, end)), content[end:]


def made(guid: bytes, body: bytes) -> bytes:
    return guid + (24 + len(body)).to_bytes(8, "little") + body


def joined(objects: Sequence[tuple[bytes, bytes]], behind: bytes) -> bytes:
    body = b"".join(made(*one) for one in objects)
    return HEADER + struct.pack("<QI", 30 + len(body), len(objects)) + b"\1\2" + body + behind


def extension(*inner: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    content = b"".join(made(*one) for one in inner)
    return EXTENSION, bytes(16) + b"\6\0" + len(content).to_bytes(4, "little") + content


def replaced(content: bytes, guid: bytes, change: Callable[[bytes], bytes | None]) -> bytes:
    """The file with the bodies of these objects changed; None takes one out."""
    objects, behind = split(content)
    new = [(name, change(body) if name == guid else body) for name, body in objects]
    return joined([(name, body) for name, body in new if body is not None], behind)


def attribute(name: str, value: bytes, kind: int = 0) -> bytes:
    text = (name + "\0").encode("utf-16-le")
    return struct.pack("<H", len(text)) + text + struct.pack("<HH", kind, len(value)) + value


def library_attribute(name: str, value: bytes) -> bytes:
    """As the Metadata and the Metadata Library Object hold it, of no language and no stream."""
    label = text(name)
    return struct.pack("<HHHHI", 0, 0, len(label), 0, len(value)) + label + value


def text(value: str) -> bytes:
    return (value + "\0").encode("utf-16-le")


def with_attributes(content: bytes, *entries: bytes) -> bytes:
    body = len(entries).to_bytes(2, "little") + b"".join(entries)
    return replaced(content, EXTENDED_DESCRIPTION, lambda _: body)


def spliced(content: bytes, changes: dict[str, tuple[str, ...]], tmp_path: Path) -> bytes:
    """The new file; checked: every foreign byte, the identity, and that the record rebuilds the old one."""
    old, new, back = io.BytesIO(content), tmp_path / "new.wma", tmp_path / "old.wma"
    back.write_bytes(content)
    plan = ASF.splice(old, changes, Style())
    with back.open("rb") as source:
        new.write_bytes(b"".join(blocks(plan, source.fileno())))
    record = inverse(plan, len(content), lambda offset, length: content[offset : offset + length])
    with new.open("rb") as source:
        assert b"".join(blocks(record, source.fileno())) == content
        assert ASF.read(source).foreign == ASF.read(old).foreign
        assert ASF.identity(source) == ASF.identity(old)
    return new.read_bytes()


def reason(content: bytes) -> str | None:
    try:
        ASF.splice(io.BytesIO(content), CHANGES, Style())
    except FormatError as error:
        return error.reason
    return None


def data_at(content: bytes) -> int:
    return int.from_bytes(content[16:24], "little")


def read(content: bytes) -> dict[str, tuple[str, ...]]:
    tags = ASF.read(io.BytesIO(content)).tags
    return {"genre": tags.genre, "mood": tags.mood, **tags.own}


def test_what_is_read(dressed: bytes) -> None:
    content = ASF.read(io.BytesIO(dressed))
    tags = content.tags
    assert (tags.artist, tags.title, tags.album, tags.year) == ("One; Two", "Tïtle", "Album", 1999)
    assert (tags.genre, tags.mood) == (("Noise", "Drone"), ("Angry",))
    assert (content.codec, content.channels, content.refusal) == ("wmav2", 2, None)
    assert content.length_seconds == pytest.approx(1.0, abs=0.2)


def test_foreign_attributes_of_every_type_stay(dressed: bytes, tmp_path: Path) -> None:
    def foreign(content: bytes) -> list[tuple[str, int, object, int | None, int | None]]:
        tags = mutagen.asf.ASF(io.BytesIO(content)).tags
        return [
            (name, value.TYPE, value.value, value.language, value.stream)
            for name, value in tags
            if name not in ("WM/Genre", "WM/Mood") and not name.startswith("TAGGER_")
        ]

    new = spliced(dressed, CHANGES, tmp_path)
    assert foreign(new) == foreign(dressed)
    assert {kind for _, kind, *_ in foreign(new)} == set(range(7))


def test_several_values_in_order(dressed: bytes, tmp_path: Path, need_module: Callable[[str], ModuleType]) -> None:
    """Genres and moods one by one, also where the file had its second one elsewhere; the others joined."""
    new = spliced(dressed, CHANGES, tmp_path)
    seen = opinion.values(io.BytesIO(new), "asf")
    assert all(equal(seen[name], values, "; ") for name, values in CHANGES.items())
    assert (seen["genre"], seen["TAGGER_GENRE"]) == (CHANGES["genre"], ("jazz; bebop; ambient",))
    assert read(new) == seen
    with need_module("taglib").File(str(tmp_path / "new.wma")) as file:
        assert (file.tags["GENRE"], file.tags["MOOD"]) == (["Jazz", "Bebop", "Ambient"], ["Calm", "Sad"])
    library = next(body for name, body in parts(new, *_inside(new)) if name == METADATA_LIBRARY)
    assert "WM/Genre".encode("utf-16-le") not in library


def _inside(content: bytes) -> tuple[int, int]:
    """Where the objects of the Header Extension begin and end."""
    at = content.index(EXTENSION)
    return at + 46, at + int.from_bytes(content[at + 16 : at + 24], "little")


def test_a_field_that_is_not_named_stays_where_it_is(dressed: bytes, tmp_path: Path) -> None:
    new = spliced(dressed, {"mood": ("Calm",)}, tmp_path)
    assert read(new) == {"genre": ("Noise", "Drone"), "mood": ("Calm",)}
    library = next(body for name, body in parts(new, *_inside(new)) if name == METADATA_LIBRARY)
    assert "Drone".encode("utf-16-le") in library


def test_ours_of_another_type_is_replaced(plain: bytes, tmp_path: Path) -> None:
    content = with_attributes(plain, attribute("WM/Genre", (17).to_bytes(4, "little"), 3), attribute("a", text("b")))
    assert read(content)["genre"] == ()
    new = spliced(content, {"genre": ("Jazz",)}, tmp_path)
    assert mutagen.asf.ASF(io.BytesIO(new))["WM/Genre"] == ["Jazz"]


def test_names_that_only_look_like_ours_are_foreign(plain: bytes, tmp_path: Path) -> None:
    entries = [attribute(name, text("x")) for name in ("xGenre", "Moods", "WM/GenreID", "xTAGGER_MOOD")]
    content = with_attributes(plain, *entries, attribute("wm/genre", text("Noise")))
    assert read(content) == {"genre": ("Noise",), "mood": ()}
    new = spliced(content, CHANGES, tmp_path)
    assert all(new.count(entry) == 1 for entry in entries)
    assert "wm/genre".encode("utf-16-le") not in new


@pytest.mark.parametrize("place", [EXTENDED_DESCRIPTION, METADATA, METADATA_LIBRARY])
def test_bare_names_are_the_users_values_and_are_replaced_with_them(place: bytes, plain: bytes, tmp_path: Path) -> None:
    """FFmpeg shows them under these names; beside ours they would go on being shown."""
    bare = {"Genre": "Ska", "mood": "Sad", "x/Other": "kept"}
    if place == EXTENDED_DESCRIPTION:
        content = with_attributes(plain, *(attribute(name, text(value)) for name, value in bare.items()))
    else:
        items = b"".join(library_attribute(name, text(value)) for name, value in bare.items())
        held = extension((place, len(bare).to_bytes(2, "little") + items))
        objects, behind = split(replaced(plain, EXTENSION, lambda _: None))
        content = joined([*objects, held], behind)
    with av.open(io.BytesIO(content)) as file:
        assert {name: file.metadata[name] for name in bare} == bare
    assert read(content) == {"genre": ("Ska",), "mood": ("Sad",)}
    new = spliced(content, {"genre": ("Jazz",)}, tmp_path)
    assert read(new) == {"genre": ("Jazz",), "mood": ("Sad",)}
    with av.open(io.BytesIO(new)) as file:
        assert {name: file.metadata.get(name) for name in ("genre", "Genre", "mood", "x/Other")} == {
            **{"genre": "Jazz", "Genre": None},
            **{"mood": "Sad", "x/Other": "kept"},
        }


def test_without_an_extended_description_one_is_made(plain: bytes, tmp_path: Path) -> None:
    content = replaced(plain, EXTENDED_DESCRIPTION, lambda _: None)
    new = spliced(content, CHANGES, tmp_path)
    assert opinion.values(io.BytesIO(new), "asf")["genre"] == CHANGES["genre"]
    assert spliced(content, dict.fromkeys(CHANGES, ()), tmp_path) == content


def test_the_audio_moves_once_and_then_stays(plain: bytes, tmp_path: Path) -> None:
    new = spliced(plain, CHANGES, tmp_path)
    assert split(new)[0][-1] == (PADDING, bytes(PADDING_BYTES - 24))
    again = spliced(new, CHANGES | {"TAGGER_NOTE": ("x" * 1_000,)}, tmp_path)
    assert (len(again), data_at(again)) == (len(new), data_at(new))
    without = spliced(again, dict.fromkeys((*CHANGES, "TAGGER_NOTE"), ()), tmp_path)
    assert (len(without), data_at(without)) == (len(new), data_at(new))
    assert read(without) == {"genre": (), "mood": ()}


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("room", [3_000, 40])
def test_padding_at_both_places_is_used_or_outgrown(plain: bytes, tmp_path: Path, inside: bool, room: int) -> None:
    objects, behind = split(plain)
    free = (PADDING, bytes(room))
    if inside:  # where Windows Media Player has it
        objects = [extension(free, (bytes(16), b"other")) if name == EXTENSION else (name, it) for name, it in objects]
    else:
        objects.insert(1, free)
    content = joined(objects, behind)
    new = spliced(content, CHANGES, tmp_path)
    assert not ASF.read(io.BytesIO(new)).refusal
    assert (data_at(new) == data_at(content)) == (room == 3_000)
    assert room == 3_000 or data_at(new) > data_at(content) + PADDING_BYTES
    assert new.count(PADDING) == 1
    assert opinion.values(io.BytesIO(new), "asf")["mood"] == CHANGES["mood"]


@pytest.mark.parametrize("left", [-1, 0, 1, 23, 24])
def test_padding_to_the_byte(plain: bytes, tmp_path: Path, left: int) -> None:
    """What is left of it is no object, or none at all, or the smallest one."""
    bare = spliced(plain, CHANGES, tmp_path)
    needed = len(bare) - len(plain) - PADDING_BYTES
    objects, behind = split(plain)
    content = joined([*objects, (PADDING, bytes(needed + left - 24))], behind)
    new = spliced(content, CHANGES, tmp_path)
    assert (len(new) == len(content)) == (left in (0, 24))
    assert not ASF.read(io.BytesIO(new)).refusal
    assert opinion.values(io.BytesIO(new), "asf")["genre"] == CHANGES["genre"]


def test_padding_that_holds_something_stays(plain: bytes, tmp_path: Path) -> None:
    objects, behind = split(plain)
    new = spliced(joined([*objects, (PADDING, bytes(2_000) + b"note")], behind), CHANGES, tmp_path)
    assert (PADDING, bytes(2_000) + b"note") in split(new)[0]


def test_the_declared_size_follows_only_where_it_was_right(plain: bytes, tmp_path: Path) -> None:
    def declared(content: bytes) -> int:
        body = next(body for name, body in split(content)[0] if name == FILE_PROPERTIES)
        return int.from_bytes(body[16:24], "little")

    new = spliced(plain, CHANGES, tmp_path)
    assert (declared(plain), declared(new)) == (len(plain), len(new))
    stale = replaced(plain, FILE_PROPERTIES, lambda body: body[:16] + (5).to_bytes(8, "little") + body[24:])
    assert declared(spliced(stale, CHANGES, tmp_path)) == 5


def test_what_is_behind_stays(plain: bytes, tmp_path: Path) -> None:
    index = made(UUID("33000890-E5B1-11CF-89F4-00A0C90349CB").bytes_le, bytes(32)) + b"TAG" + bytes(125)
    assert spliced(plain + index, CHANGES, tmp_path).endswith(index)
    endless = bytes(16) + b"\xff" * 8
    assert spliced(plain + endless, CHANGES, tmp_path).endswith(endless)


def test_slack_behind_the_attributes_stays(plain: bytes, tmp_path: Path) -> None:
    content = replaced(plain, EXTENDED_DESCRIPTION, lambda body: body + b"slack")
    assert b"slack" in spliced(content, CHANGES, tmp_path)


def test_the_id_of_the_file_is_no_part_of_the_recording(plain: bytes) -> None:
    at = data_at(plain) + 24
    other = plain[:at] + bytes(range(16)) + plain[at + 16 :]
    louder = plain[: at + 500] + bytes((plain[at + 500] ^ 1,)) + plain[at + 501 :]
    identity = ASF.identity(io.BytesIO(plain))
    assert ASF.identity(io.BytesIO(other)) == identity
    assert ASF.identity(io.BytesIO(louder)) != identity


@pytest.mark.parametrize(
    "guid",
    [
        "2211B3FB-BD23-11D2-B4B7-00A0C955FC6E",
        "298AE614-2622-4C17-B935-DAE07EE9289C",
        "2211B3FC-BD23-11D2-B4B7-00A0C955FC6E",
    ],
)
def test_protected(plain: bytes, guid: str) -> None:
    objects, behind = split(plain)
    assert reason(joined([*objects, (UUID(guid).bytes_le, b"secret")], behind)) == Reason.ASF_PROTECTED


def test_protected_in_the_extension(plain: bytes) -> None:
    advanced = UUID("43058533-6981-49E6-9B74-AD12CB86D58C").bytes_le
    body = extension((advanced, b"secret"))[1]
    assert reason(replaced(plain, EXTENSION, lambda _: body)) == Reason.ASF_PROTECTED


def test_an_encrypted_stream(plain: bytes) -> None:
    content = replaced(plain, STREAM_PROPERTIES, lambda body: body[:49] + bytes((body[49] | 0x80,)) + body[50:])
    assert reason(content) == Reason.ASF_PROTECTED


def test_a_stream_of_commands(plain: bytes) -> None:
    """Of a broadcast. mutagen takes it for sound, and reads ten bytes more than it has."""
    objects, behind = split(plain)
    commands = UUID("59DACFC0-59E6-11D0-A3AC-00A0C90348F6").bytes_le + bytes(38)
    content = joined([*objects, (STREAM_PROPERTIES, commands)], behind)
    assert reason(content) == Reason.ASF_STREAM
    with pytest.raises(mutagen.asf.ASFHeaderError):
        mutagen.asf.ASF(io.BytesIO(content))


def test_several_headers(plain: bytes) -> None:
    objects, behind = split(plain)
    assert reason(plain + plain) == Reason.ASF_TWICE
    assert reason(plain + plain[:100]) == Reason.ASF_TWICE
    assert reason(joined([*objects, (HEADER, bytes(6))], behind)) == Reason.ASF_TWICE
    assert reason(plain + made(DATA, bytes(26))) == Reason.ASF_TWICE
    assert reason(joined([*objects, (EXTENDED_DESCRIPTION, bytes(2))], behind)) == Reason.ASF_TWICE


def test_more_objects_than_any_encoder_makes(plain: bytes) -> None:
    objects, behind = split(plain)
    many = [(bytes(16), b"")] * 1_000
    assert reason(joined([*objects, *many], behind)) == Reason.DAMAGED
    assert reason(plain + b"".join(made(*one) for one in many)) == Reason.DAMAGED


def _declaring(content: bytes, at: int, number: int, width: int = 8) -> bytes:
    return content[:at] + number.to_bytes(width, "little") + content[at + width :]


def test_sizes_that_lie(plain: bytes) -> None:
    end, extended = data_at(plain), plain.index(EXTENSION)
    attributes = plain.index(EXTENDED_DESCRIPTION)
    lies = {
        "header past the file": _declaring(plain, 16, len(plain) + 1),
        "header of 2**63": _declaring(plain, 16, 1 << 63),
        "header of nothing": _declaring(plain, 16, 0),
        "header cut short": _declaring(plain, 16, end - 10),
        "one object more": _declaring(plain, 24, 6, 4),
        "one object less": _declaring(plain, 24, 4, 4),
        "object of nothing": _declaring(plain, 46, 0),
        "object past the header": _declaring(plain, 46, end),
        "extension that disagrees": _declaring(plain, extended + 42, 24, 4),
        "more attributes than there are": _declaring(plain, attributes + 24, 9, 2),
        "attribute past its object": _declaring(plain, attributes + 26, 0xFFF0, 2),
        "data past the file": _declaring(plain, end + 16, len(plain)),
        "data of nothing": _declaring(plain, end + 16, 0),
        "no data": plain[:end],
        "something else for data": plain[:end] + bytes(16) + plain[end + 16 :],
        "no sound": replaced(plain, STREAM_PROPERTIES, lambda body: bytes(16) + body[16:]),
        "no file properties": replaced(plain, FILE_PROPERTIES, lambda _: None),
        "half a header": plain[:20],
    }
    for name, content in lies.items():
        assert reason(content) == Reason.DAMAGED, name
        refusal = ASF.read(io.BytesIO(content)).refusal
        assert refusal, name
        assert ASF.identity(io.BytesIO(content))


def test_an_object_too_short_for_its_number(plain: bytes) -> None:
    assert reason(replaced(plain, EXTENDED_DESCRIPTION, lambda _: b"\1")) == Reason.DAMAGED


def test_a_value_too_long(plain: bytes) -> None:
    with pytest.raises(FormatError) as raised:
        ASF.splice(io.BytesIO(plain), {"TAGGER_NOTE": ("x" * 40_000,)}, Style())
    assert raised.value.reason == Reason.ASF_TOO_LARGE


def test_more_attributes_than_can_be_counted(plain: bytes) -> None:
    content = with_attributes(plain, *[attribute("", b"")] * 0xFFFF)
    assert ASF.read(io.BytesIO(content)).refusal is None
    assert reason(content) == Reason.ASF_TOO_LARGE


def test_mutations(dressed: bytes, tmp_path: Path) -> None:
    """Seeded: a FormatError, or a file that is spliced and rebuilt to the byte and read back without refusal."""
    generator = random.Random(11)
    objects, behind = split(dressed)
    small = joined([(name, body) for name, body in objects if len(body) < 5_000], behind)
    good = 0
    for number in range(400):
        content = bytearray(dressed if number % 4 == 0 else small)
        for _ in range(generator.randint(1, 5)):
            content[generator.randrange(data_at(content) + 50 if number % 2 else 1_500)] = generator.choice(
                (0, 1, 255, generator.randrange(256))
            )
            if content[:16] != HEADER or not 30 <= data_at(content) <= len(content):
                break
        if number % 7 == 0:
            del content[generator.randrange(1, len(content)) :]
        try:
            new = spliced(bytes(content), CHANGES, tmp_path)
        except FormatError:
            continue
        good += 1
        assert ASF.read(io.BytesIO(new)).refusal is None
        assert read(new)["genre"] == CHANGES["genre"]
    assert 50 < good < 350


def test_files_of_other_encoders(shared_data: Path, tmp_path: Path) -> None:
    """Those of Windows Media Encoder have their padding in the extension: it is used."""
    for number in (1, 2, 3):
        content = (shared_data / "data" / "odd-files" / "mutagen" / f"silence-{number}.wma").read_bytes()
        new = spliced(content, CHANGES, tmp_path)
        assert len(new) == len(content)
        assert equal(opinion.values(io.BytesIO(new), "asf")["TAGGER_GENRE"], CHANGES["TAGGER_GENRE"], "; ")
