"""A writer in the last microsecond: between the last look at a file and the rename."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tagger.records import Committed, Dropped, FileStat, JournalState, Prepared
from tagger.tags import recover
from tagger.tags.inspect import content_hash
from tagger.tags.replace import exchange, replace, spare_name
from tagger.tags.write import commit

TEMP = b".tagger-0123456789abcdef.tmp"
NEW, OLD = b"the copy", b"the file as it was"


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.mp3"
    path.write_bytes(OLD)
    (tmp_path / os.fsdecode(TEMP)).write_bytes(NEW)
    return path


@pytest.fixture
def dir_fd(tmp_path: Path):  # type: ignore[no-untyped-def]
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def prepared(song: Path) -> Prepared:
    """A copy as it stands ready beside its file."""
    temp = song.parent / os.fsdecode(TEMP)
    hashes = []
    for path in (song, temp):
        with path.open("rb") as file:
            hashes.append(content_hash(file))
    return Prepared(
        path=os.fsencode(song),
        temp_name=TEMP,
        temp_inode=temp.stat().st_ino,
        stat_before=FileStat.of(song.stat()),
        hash_before=hashes[0],
        hash_after=hashes[1],
        identity="",
        undo_record=b"",
        written={},
        replaced={},
        bundle_id=None,
    )


def no_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one, a writer would wait until we are done: of this process, for ever."""
    monkeypatch.setattr("tagger.tags.lease.is_local", lambda fd: False)


def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", link)


def no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_here(*args: object) -> None:
        raise OSError(errno.EINVAL, "no exchange here")

    monkeypatch.setattr("tagger.tags.replace.exchange", not_here)


@pytest.mark.parametrize("lacking", [(), (no_links,), (no_links, no_exchange)])
def test_the_copy_takes_the_files_place(
    song: Path, monkeypatch: pytest.MonkeyPatch, lacking: tuple[Callable[[pytest.MonkeyPatch], None], ...]
) -> None:
    for lack in lacking:
        lack(monkeypatch)
    assert isinstance(commit(prepared(song)), Committed)
    assert song.read_bytes() == NEW
    assert [entry.name for entry in song.parent.iterdir()] == [song.name]


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("writing", ["appending", "in place", "replacing"])
def test_who_writes_at_the_last_moment_gets_the_file_back(
    song: Path, monkeypatch: pytest.MonkeyPatch, links: bool, writing: str
) -> None:
    no_leases(monkeypatch)
    ready = prepared(song)
    theirs = write_by_somebody(song, writing)
    step = os.link if links else exchange

    def written_just_before(*args: object, **kwargs: object) -> None:
        theirs()
        step(*args, **kwargs)  # type: ignore[arg-type]

    if links:
        monkeypatch.setattr(os, "link", written_just_before)
    else:
        no_links(monkeypatch)
        monkeypatch.setattr("tagger.tags.replace.exchange", written_just_before)
    assert isinstance(commit(ready), Dropped)
    assert (
        song.read_bytes()
        == {"appending": OLD + b"!", "in place": b"THE FILE AS IT WAS", "replacing": b"other"}[writing]
    )
    assert [entry.name for entry in song.parent.iterdir()] == [song.name]


RIGHTS: dict[str, Callable[[Path], None]] = {
    "mode": lambda song: song.chmod(0o600),
    "owner": lambda song: os.chown(song, 4321, 4322),
    "attribute": lambda song: os.setxattr(song, "user.note", b"mine"),
}


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("what", RIGHTS)
def test_rights_that_are_given_at_the_last_moment_are_not_lost(
    song: Path, monkeypatch: pytest.MonkeyPatch, links: bool, what: str
) -> None:
    ready, step, done = prepared(song), os.link if links else exchange, []

    def given_just_before(*args: object, **kwargs: object) -> None:
        try:
            RIGHTS[what](song)
        except OSError as error:
            pytest.skip(f"refused here: {error.strerror}")
        done.append(song.stat())
        step(*args, **kwargs)  # type: ignore[arg-type]

    if not links:
        no_links(monkeypatch)
    monkeypatch.setattr(*(os, "link") if links else ("tagger.tags.replace.exchange",), given_just_before)
    assert isinstance(commit(ready), Dropped)
    assert song.read_bytes() == OLD
    assert FileStat.of(song.stat()).mode == done[0].st_mode
    assert (song.stat().st_uid, song.stat().st_gid) == (done[0].st_uid, done[0].st_gid)
    assert [entry.name for entry in song.parent.iterdir()] == [song.name]


def test_rights_that_were_given_before_a_crash_are_not_lost(song: Path, dir_fd: int) -> None:
    """Killed behind the rename; the mode was changed between it and the last look before."""
    ready = prepared(song)
    song.chmod(0o600)
    os.link(song, song.parent / os.fsdecode(spare_name(TEMP)))
    os.replace(TEMP, song.name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    assert recover.settle(ready) is JournalState.DROPPED
    assert song.read_bytes() == OLD
    assert song.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in song.parent.iterdir()] == [song.name]


@pytest.mark.parametrize("failing", ["link", "replace", "listxattr"])
def test_a_disk_that_fails_at_the_rename_leaves_the_file_and_no_copy(
    song: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    ready = prepared(song)

    def broken(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, failing, broken)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        commit(ready)
    monkeypatch.undo()
    assert song.read_bytes() == OLD
    assert [entry.name for entry in song.parent.iterdir()] == [song.name]


def test_a_copy_that_was_renamed_by_a_call_that_failed_is_settled(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on NFS: rename(2), BUGS."""
    ready, rename = prepared(song), os.replace

    def done_and_failed(*args: object, **kwargs: object) -> None:
        rename(*args, **kwargs)  # type: ignore[arg-type]
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "replace", done_and_failed)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        commit(ready)
    assert recover.settle(ready) is JournalState.RENAMED
    assert song.read_bytes() == NEW
    assert [entry.name for entry in song.parent.iterdir()] == [song.name]


def test_a_file_that_went_meanwhile_takes_the_copy_with_it(song: Path) -> None:
    ready = prepared(song)
    song.unlink()
    assert isinstance(commit(ready), Dropped)
    assert list(song.parent.iterdir()) == []


def write_by_somebody(song: Path, writing: str) -> Callable[[], None]:
    def write() -> None:
        if writing == "appending":
            with song.open("ab") as file:
                file.write(b"!")
        elif writing == "in place":
            with song.open("r+b") as file:
                file.write(OLD.upper())
        else:
            other = song.with_name("other")
            other.write_bytes(b"other")
            other.replace(song)

    return write


@pytest.mark.parametrize("links", [True, False])
def test_after_a_crash_the_last_moments_writer_gets_the_file_back(song: Path, dir_fd: int, links: bool) -> None:
    """Killed behind the rename, before the old file was looked at again."""
    ready = prepared(song)
    if links:
        os.link(song, song.parent / os.fsdecode(spare_name(TEMP)))
        os.replace(TEMP, song.name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    else:
        exchange(dir_fd, TEMP, os.fsencode(song.name))
    (song.parent / os.fsdecode(spare_name(TEMP) if links else TEMP)).write_bytes(b"theirs")
    assert recover.settle(ready) is JournalState.FOREIGN
    assert song.read_bytes() == b"theirs"
    assert [entry.name for entry in song.parent.iterdir()] == [song.name]


def test_a_file_that_is_gone_is_not_made_anew(song: Path, dir_fd: int) -> None:
    song.unlink()
    with pytest.raises(FileNotFoundError):
        replace(dir_fd, TEMP, os.fsencode(song.name), lambda old: True)
    assert not song.exists()


def test_who_saves_by_rename_at_the_last_moment_keeps_his_file(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the link, in front of our rename."""
    ready, link = prepared(song), os.link

    def then_replaced(*args: object, **kwargs: object) -> None:
        link(*args, **kwargs)  # type: ignore[arg-type]
        write_by_somebody(song, "replacing")()

    monkeypatch.setattr(os, "link", then_replaced)
    assert isinstance(commit(ready), Dropped)
    assert song.read_bytes() == b"other"
    assert [entry.name for entry in song.parent.iterdir()] == [song.name]


def test_a_crash_between_link_and_rename_leaves_no_second_name(song: Path) -> None:
    ready = prepared(song)
    os.link(song, song.parent / os.fsdecode(spare_name(TEMP)))
    with song.open("ab") as file:  # the user goes on before the next start
        file.write(b"!")
    assert recover.settle(ready) is JournalState.FOREIGN
    assert song.stat().st_nlink == 1
    assert song.read_bytes() == OLD + b"!"


def test_a_name_that_a_power_cut_took_comes_back(song: Path) -> None:
    """A file system without atomic renames: the old file is there under its second name alone."""
    ready = prepared(song)
    song.rename(song.parent / os.fsdecode(spare_name(TEMP)))
    assert recover.settle(ready) is JournalState.DROPPED
    assert song.read_bytes() == OLD
    assert [entry.name for entry in song.parent.iterdir()] == [song.name]


def test_a_file_that_was_moved_after_a_crash_is_not_doubled(song: Path) -> None:
    ready = prepared(song)
    os.link(song, song.parent / os.fsdecode(spare_name(TEMP)))
    moved = song.rename(song.with_name("moved.mp3"))
    assert recover.settle(ready) is JournalState.DROPPED
    assert [entry.name for entry in song.parent.iterdir()] == ["moved.mp3"]
    assert moved.read_bytes() == OLD
