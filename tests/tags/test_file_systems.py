"""The promise on real file systems: mounted for the test where the machine lets us, else skipped, saying so."""

import errno
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tagger.records import (
    Analysis,
    Committed,
    Dropped,
    Edit,
    FileStat,
    History,
    Inspection,
    JournalKind,
    JournalRow,
    JournalState,
    Policy,
    Prepared,
    Refused,
)
from tagger.tags import copy, recover
from tagger.tags.attributes import has_holes
from tagger.tags.edit import propose
from tagger.tags.inspect import inspect
from tagger.tags.refusals import Reason
from tagger.tags.undo import prepare_undo
from tagger.tags.write import abort, commit, prepare
from tagger.vocabulary import GENRES, MOODS
from tests.audio import KINDS, encode, write_audio

NOW = "2026-01-02T03:04:05Z"
CONTAINERS = ("mp3", "flac", "ogg-vorbis", "ogg-opus", "m4a", "wav", "aiff")
FILE_SYSTEMS = ("tmpfs", "ext4", "xfs", "btrfs", "overlay")
IMAGE_BYTES = 400 << 20  # sparse; XFS wants 300 MB at least
SET_FLAGS, GET_FLAGS, IMMUTABLE, APPEND_ONLY = 0x40086602, 0x80086601, 0x10, 0x20

Mount = Callable[..., Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """`mount("ext4")` gives the folder of a fresh file system; skips where programs or the kernel do not allow it."""
    with ExitStack() as mounts:

        def mounted(kind: str, *options: str) -> Path:
            folder = tmp_path / "mounted"
            folder.mkdir()
            source = _source(tmp_path, kind)
            loop = ["loop"] if source.startswith("/") else []
            words = [*_overlay(tmp_path, kind), *loop, *options]
            _or_skip("mount", "-t", kind, *(["-o", ",".join(words)] if words else []), source, str(folder))
            mounts.callback(subprocess.run, ["umount", str(folder)], check=True)
            return folder

        yield mounted


def _source(scratch: Path, kind: str) -> str:
    if kind in ("tmpfs", "overlay"):
        return kind
    image = scratch / "image"
    image.touch()
    os.truncate(image, IMAGE_BYTES)
    _or_skip(f"mkfs.{kind}", "-q", str(image))
    return str(image)


def _overlay(scratch: Path, kind: str) -> list[str]:
    """The layers; what lies in `lower` is on the medium that is never written."""
    if kind != "overlay":
        return []
    layers = {f"{name}dir": scratch / name for name in ("lower", "upper", "work")}
    for layer in layers.values():
        layer.mkdir(exist_ok=True)
    return [f"{name}={layer}" for name, layer in layers.items()]


def _or_skip(program: str, *words: str) -> None:
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{program} is not here")
    done = subprocess.run([found, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{program} is refused here: {done.stderr.strip()}")


def analysis() -> Analysis:
    return Analysis(
        bundle_id="b-1",
        genre="jazz",
        genre_confidence=0.9,
        mood="happy",
        mood_confidence=0.9,
        emotion="excited",
        valence=0.7,
        arousal=0.6,
        dominance=0.5,
        probabilities={
            "genre": {label: 0.9 if label == "jazz" else 0.1 / len(GENRES) for label in GENRES},
            "mood": {label: 0.9 if label == "happy" else 0.1 / len(MOODS) for label in MOODS},
        },
        embedding=b"",
        chunks=6,
    )


def proposed(path: Path, policy: Policy | None = None) -> object:
    found = inspect(os.fsencode(path))
    assert isinstance(found, Inspection), found
    return propose(found, analysis(), policy or Policy(), History(), NOW)


def edit_of(path: Path) -> Edit:
    edit = proposed(path)
    assert isinstance(edit, Edit), edit
    return edit


def written(path: Path, policy: Policy | None = None) -> Prepared:
    edit = proposed(path, policy)
    assert isinstance(edit, Edit), edit
    prepared = prepare(edit)
    assert isinstance(prepared, Prepared), prepared
    assert isinstance(commit(prepared), Committed)
    return prepared


def undone(path: Path, write: Prepared) -> None:
    row = JournalRow(id=1, kind=JournalKind.WRITE, state=JournalState.RENAMED, at=NOW, prepared=write)
    undo, left = prepare_undo(os.fsencode(path), [row], Policy())
    assert isinstance(undo, Prepared), undo
    assert left == {}
    assert isinstance(commit(undo), Committed)


def belongings(path: Path) -> dict[str, object]:
    stat = path.stat()
    attributes = {name: os.getxattr(path, name) for name in os.listxattr(path) if not name.startswith("security.")}
    return {"owner": (stat.st_uid, stat.st_gid), "mode": stat.st_mode, **attributes}


def give_belongings(path: Path) -> None:
    """Another's file, open to one more user by its access list, with notes of its owner and of the system."""
    nobody = 0xFFFFFFFF
    entries = [(1, 6, nobody), (2, 4, 12345), (4, 4, nobody), (16, 4, nobody), (32, 0, nobody)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 4321, 4322)
    for name, value in (("system.posix_acl_access", acl), ("user.note", b"mine\0"), ("trusted.note", b"root's")):
        try:
            os.setxattr(path, name, value)
        except OSError:
            continue  # the file system has none; what it has is compared


# --- on each file system --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("recordings")
    return [write_audio(folder, kind, 0.5, name=kind) for kind in CONTAINERS]


@pytest.mark.parametrize("kind", FILE_SYSTEMS)
def test_written_and_undone_to_the_byte(kind: str, mount: Mount, recordings: list[Path], tmp_path: Path) -> None:
    """With owner, mode, access list and attributes; on overlay the files lie in the lower layer."""
    if kind == "overlay":
        (tmp_path / "lower").mkdir()
        for recording in recordings:
            shutil.copy(recording, tmp_path / "lower")
            give_belongings(tmp_path / "lower" / recording.name)
    folder = mount(kind)
    for recording in recordings:
        path = folder / recording.name
        if kind != "overlay":
            shutil.copy(recording, path)
            give_belongings(path)
        before, mtime_ns = belongings(path), path.stat().st_mtime_ns
        write = written(path)
        assert path.read_bytes() != recording.read_bytes()
        assert belongings(path) == before
        undone(path, write)
        assert path.read_bytes() == recording.read_bytes()
        assert belongings(path) == before
        assert path.stat().st_mtime_ns == mtime_ns
    assert {entry.name for entry in folder.iterdir()} - {"lost+found"} == {path.name for path in recordings}


@pytest.mark.parametrize("kind", FILE_SYSTEMS)
def test_a_download_with_a_hole_in_its_middle_is_refused(kind: str, mount: Mount, tmp_path: Path) -> None:
    path = write_audio(mount(kind), "wav", 2.0)
    content = path.read_bytes()
    middle = len(content) // 2 // 65536 * 65536
    path.unlink()
    with path.open("wb") as file:
        file.write(content[:middle])
        file.seek(middle + 65536)
        file.write(content[middle + 65536 :])
    refused = prepare(edit_of(path))
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.SPARSE


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_reserved_room_that_was_never_written_is_a_hole(kind: str, mount: Mount) -> None:
    """As programs for downloads reserve it."""
    path = mount(kind) / "reserved.wav"
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
        file.write(b"RIFF" * 1024)
    fd = os.open(path, os.O_RDONLY)
    try:
        assert has_holes(fd, 1 << 20)
    finally:
        os.close(fd)


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
def test_audio_that_stays_in_its_place_is_shared_with_the_copy(kind: str, mount: Mount, tmp_path: Path) -> None:
    """FLAC with room in its padding, whose audio begins in the middle of a block."""
    sound = np.random.default_rng(0).uniform(-0.9, 0.9, (44_100 * 20, 2)).astype(np.float32)
    encode(tmp_path / "noise.flac", KINDS["flac"], sound)
    folder = mount(kind)
    path = Path(shutil.copy(tmp_path / "noise.flac", folder))
    edit, audio_bytes = edit_of(path), path.stat().st_size
    os.sync()
    free_before = os.statvfs(folder).f_bfree * os.statvfs(folder).f_frsize
    prepared = prepare(edit)
    assert isinstance(prepared, Prepared)
    os.sync()
    taken = free_before - os.statvfs(folder).f_bfree * os.statvfs(folder).f_frsize
    assert (folder / os.fsdecode(prepared.temp_name)).stat().st_size == audio_bytes
    assert taken < audio_bytes / 4


# --- no room, no right ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spare", [True, False], ids=["seen before", "hit while writing"])
def test_a_full_disk_leaves_the_file_and_no_copy(spare: bool, mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = mount("tmpfs", "size=4m")
    path = write_audio(folder, "wav", 12.0)
    content = path.read_bytes()
    edit = edit_of(path)
    if not spare:
        monkeypatch.setattr(copy, "SPARE_BYTES", -(1 << 40))
    refused = prepare(edit)
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.DISK_FULL
    assert path.read_bytes() == content
    assert list(folder.iterdir()) == [path]


def _unshared(*args: object) -> int:
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


def test_a_spent_quota_leaves_the_file_and_no_copy(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quota is no matter of free room: the file system says no while it is written."""
    folder = mount("btrfs")
    path = write_audio(folder, "wav", 60.0)
    content = path.read_bytes()
    os.sync()
    _or_skip("btrfs", "quota", "enable", str(folder))
    _or_skip("btrfs", "quota", "rescan", "-w", str(folder))
    _or_skip("btrfs", "qgroup", "limit", str(len(content) + (1 << 20)), str(folder))
    edit = edit_of(path)
    (folder / "filler").write_bytes(b"")
    monkeypatch.setattr(os, "copy_file_range", _unshared)  # shared blocks count once
    refused = prepare(edit)
    assert isinstance(refused, Refused), refused
    assert refused.reason == Reason.DISK_FULL
    assert "quota" in refused.detail.lower()
    assert path.read_bytes() == content
    assert {entry.name for entry in folder.iterdir()} == {"track.wav", "filler"}


def test_a_place_that_is_mounted_read_only(mount: Mount) -> None:
    folder = mount("tmpfs")
    path = write_audio(folder, "mp3", 0.5)
    content, edit = path.read_bytes(), edit_of(path)
    _or_skip("mount", "-o", "remount,ro", str(folder))
    refused = prepare(edit)
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.READ_ONLY_PLACE
    assert path.read_bytes() == content


def test_a_copy_on_a_disk_that_became_read_only_goes_when_it_can_be_written_to_again(mount: Mount) -> None:
    folder = mount("tmpfs")
    path = write_audio(folder, "mp3", 0.5)
    content, prepared = path.read_bytes(), prepare(edit_of(path))
    assert isinstance(prepared, Prepared)
    _or_skip("mount", "-o", "remount,ro", str(folder))
    with pytest.raises(OSError, match="Read-only"):
        commit(prepared)
    assert recover.settle(prepared) is JournalState.PREPARED
    _or_skip("mount", "-o", "remount,rw", str(folder))
    assert recover.settle(prepared) is JournalState.DROPPED
    assert list(folder.iterdir()) == [path]
    assert path.read_bytes() == content


def _flag(path: Path, flag: int) -> Callable[[], None]:
    """Sets an ext4 flag, and gives what takes it away; skips where that is refused."""
    fd = os.open(path, os.O_RDONLY)
    try:
        (flags,) = struct.unpack("i", fcntl.ioctl(fd, GET_FLAGS, struct.pack("i", 0)))
        fcntl.ioctl(fd, SET_FLAGS, struct.pack("i", flags | flag))
    except OSError as error:
        os.close(fd)
        pytest.skip(f"flags of files are refused here: {error.strerror}")

    def taken_away() -> None:
        fcntl.ioctl(fd, SET_FLAGS, struct.pack("i", flags))
        os.close(fd)

    return taken_away


@pytest.mark.parametrize("flag", [IMMUTABLE, APPEND_ONLY], ids=["immutable", "append only"])
@pytest.mark.parametrize("of_folder", [False, True], ids=["file", "folder"])
def test_what_is_immutable_or_append_only_is_refused(tmp_path: Path, flag: int, of_folder: bool) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    path = write_audio(folder, "mp3", 0.5)
    content = path.read_bytes()
    take_away = _flag(folder if of_folder else path, flag)
    try:
        refused = prepare(edit_of(path))
        left = list(folder.iterdir())
    finally:
        take_away()
    assert isinstance(refused, Refused), refused
    assert refused.reason == Reason.READ_ONLY_PLACE
    assert left == [path]
    assert path.read_bytes() == content


# --- links ----------------------------------------------------------------------------------------------------------


def test_a_broken_hard_link_leaves_the_twin_as_it_was(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "flac", 0.5)
    twin = tmp_path / "twin"
    os.link(path, twin)
    content = path.read_bytes()
    refused = proposed(path)
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.HARD_LINKS
    written(path, replace(Policy(), break_hardlinks=True))
    assert twin.read_bytes() == content
    assert (twin.stat().st_nlink, path.stat().st_nlink) == (1, 1)


def test_a_hard_link_that_is_made_meanwhile_drops_the_write(tmp_path: Path) -> None:
    path = write_audio(tmp_path, "flac", 0.5)
    content, prepared = path.read_bytes(), prepare(edit_of(path))
    assert isinstance(prepared, Prepared)
    os.link(path, tmp_path / "twin")
    assert isinstance(commit(prepared), Dropped)
    assert path.read_bytes() == content


def test_through_a_linked_folder_the_file_is_written_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").symlink_to("real")
    real = write_audio(tmp_path / "real", "mp3", 0.5)
    content = real.read_bytes()
    write = written(tmp_path / "linked" / real.name)
    assert (tmp_path / "linked").is_symlink()
    assert real.read_bytes() != content
    undone(real, write)
    assert real.read_bytes() == content


@pytest.mark.parametrize("target", ["elsewhere.mp3", "track.mp3", "nowhere"], ids=["file", "loop", "dangling"])
def test_a_file_that_became_a_link_is_left_alone(tmp_path: Path, target: str) -> None:
    path = write_audio(tmp_path, "mp3", 0.5)
    content, edit = path.read_bytes(), edit_of(path)
    prepared = prepare(edit)
    assert isinstance(prepared, Prepared)
    path.rename(tmp_path / "elsewhere.mp3")
    path.symlink_to(target)
    assert isinstance(prepare(edit), Dropped)
    assert isinstance(commit(prepared), Dropped)
    assert os.readlink(path) == target
    assert (tmp_path / "elsewhere.mp3").read_bytes() == content
    assert {entry.name for entry in tmp_path.iterdir()} == {"track.mp3", "elsewhere.mp3"}


def test_a_read_only_file_becomes_ours_by_no_trick(tmp_path: Path) -> None:
    """0444 between inspection and copy: the state is not what was inspected."""
    path = write_audio(tmp_path, "mp3", 0.5)
    edit = edit_of(path)
    path.chmod(0o444)
    assert isinstance(prepare(edit), Dropped)
    prepared = prepare(replace(edit, stat=FileStat.of(path.stat())))
    assert isinstance(prepared, Prepared)
    path.chmod(0o644)
    assert isinstance(commit(prepared), Dropped)
    abort(prepared)
    assert list(tmp_path.iterdir()) == [path]
