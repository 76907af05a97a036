"""Programs that have a file open for writing, in processes of their own: a writer in ours would wait for itself."""

import mmap
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tagger.records import Committed, Dropped, Prepared, Refused
from tagger.tags import lease, rehearsal
from tagger.tags.refusals import Reason
from tagger.tags.write import commit, make_durable, prepare
from tests.audio import write_audio
from tests.tags.test_file_systems import Mount, edit_of, mount  # noqa: F401  (a fixture)

HOLDING = """
import mmap, sys
file = open(sys.argv[2], "r+b")
if sys.argv[1] == "mapped":
    view = mmap.mmap(file.fileno(), 0)
    file.close()
print("open", flush=True)
sys.stdin.readline()
if sys.argv[1] == "mapped":
    view[-1:] = b"!"
else:
    file.seek(0, 2)
    file.write(b"!")
    file.close()
"""
OPENING = "import sys; file = open(sys.argv[1], 'ab'); file.write(b'!'); file.close()"


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = write_audio(tmp_path, "mp3", 0.5)
    fd = os.open(path, os.O_RDONLY)
    local = lease.is_local(fd)
    os.close(fd)
    if not local:
        pytest.skip("needs a file system of this machine with leases")
    return path


@contextmanager
def held(path: Path, how: str = "open") -> Iterator[Callable[[], None]]:
    """Another program has the file open; what is given makes it write a last byte and end."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, how, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"

        def end() -> None:
            process.communicate("\n")
            assert process.returncode == 0

        yield end


@pytest.mark.parametrize("how", ["open", "mapped"])
def test_a_file_that_another_program_writes_is_left_until_it_is_done(song: Path, how: str) -> None:
    content = song.read_bytes()
    with held(song, how) as end:
        for refused in (prepare(edit_of(song)), rehearsal.rehearse(edit_of(song))):
            assert isinstance(refused, Refused), refused
            assert refused.reason == Reason.BUSY
        end()
    theirs = song.read_bytes()
    assert theirs == (content + b"!" if how == "open" else content[:-1] + b"!")
    assert list(song.parent.iterdir()) == [song]
    if how == "open":
        prepared = prepare(edit_of(song))
        assert isinstance(prepared, Prepared), prepared
        assert isinstance(commit(prepared), Committed)
        make_durable(os.fsencode(song.parent))


def test_a_program_that_opens_it_before_the_rename_keeps_its_file(song: Path) -> None:
    content, prepared = song.read_bytes(), prepare(edit_of(song))
    assert isinstance(prepared, Prepared)
    with held(song) as end:
        assert isinstance(commit(prepared), Dropped)
        end()
    assert song.read_bytes() == content + b"!"
    assert list(song.parent.iterdir()) == [song]


def test_a_program_that_opens_it_during_the_rename_waits_and_keeps_its_file(
    song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its open found the old file, and goes on with it when the lease is given back."""
    content, prepared, writers, rename = song.read_bytes(), prepare(edit_of(song)), [], os.replace
    assert isinstance(prepared, Prepared)

    def opened_just_before(*args: object, **kwargs: object) -> None:
        if not writers:
            writers.append(subprocess.Popen([sys.executable, "-c", OPENING, song]))
            wait_for_a_breaking_lease(song.stat().st_ino)
        rename(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "replace", opened_just_before)
    assert isinstance(commit(prepared), Dropped)
    assert writers[0].wait(30) == 0
    assert song.read_bytes() == content + b"!"
    assert list(song.parent.iterdir()) == [song]


def wait_for_a_breaking_lease(inode: int) -> None:
    for _ in range(300):
        for line in Path("/proc/locks").read_text().splitlines():
            if "LEASE" in line and "BREAKING" in line and f":{inode} " in line:
                return
        time.sleep(0.1)
    pytest.fail("nobody waits for a lease")


LEASING = """
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("leased", flush=True)
sys.stdin.readline()
"""


def test_a_lease_of_another_program_is_waited_for(song: Path) -> None:
    """As a file server has it for its clients: the file is theirs until it is given back."""
    edit, prepared = edit_of(song), prepare(edit_of(song))
    assert isinstance(prepared, Prepared)
    with subprocess.Popen(
        [sys.executable, "-c", LEASING, song], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "leased\n"
        assert prepare(edit) == Refused(reason=Reason.BUSY)
        assert isinstance(commit(prepared), Dropped)
        process.communicate("\n")
    assert list(song.parent.iterdir()) == [song]
    assert isinstance(prepare(edit_of(song)), Prepared)


def test_readers_are_in_nobodys_way(song: Path) -> None:
    with song.open("rb") as reader, mmap.mmap(reader.fileno(), 0, access=mmap.ACCESS_READ):
        prepared = prepare(edit_of(song))
        assert isinstance(prepared, Prepared), prepared
        assert isinstance(commit(prepared), Committed)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_where_no_lease_is_given_the_file_is_written_all_the_same(song: Path) -> None:
    """Another's file, without CAP_LEASE."""
    other = 4321
    os.chown(song, other + 1, other)
    os.chmod(song, 0o664)
    script = (
        "import os, sys\n"
        "from tagger.tags import lease\n"
        "fd = os.open(sys.argv[1], os.O_RDONLY)\n"
        f"os.setgid({other}); os.setgroups([]); os.setuid({other})\n"
        "print(lease.is_busy(fd))\n"
        "with lease.leased(fd) as alone:\n"
        "    print(alone())\n"
    )
    with song.open("r+b"):
        done = subprocess.run([sys.executable, "-c", script, song], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["False", "True"], done.stderr


@pytest.mark.parametrize("kind", ["tmpfs", "ext4", "xfs", "btrfs", "overlay"])
def test_on_each_file_system_a_writer_is_seen(kind: str, mount: Mount, tmp_path: Path) -> None:  # noqa: F811
    """On overlay in the lower layer, from which nothing was copied up."""
    if kind == "overlay":
        (tmp_path / "lower").mkdir()
        (tmp_path / "lower" / "song").write_bytes(b"song")
    path = mount(kind) / "song"
    if kind != "overlay":
        path.write_bytes(b"song")
    fd = os.open(path, os.O_RDONLY)
    try:
        assert lease.is_local(fd)
        assert not lease.is_busy(fd)
        with path.open("r+b"):
            assert lease.is_busy(fd)
    finally:
        os.close(fd)
