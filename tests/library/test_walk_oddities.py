"""Trees that nobody keeps music in, and a scan meets all the same."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagger.library import watch
from tagger.library.walk import Walk, passed_over

_DEPTH = 1_300  # more than Python lets calls lie in one another


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """Folders in folders; music in the first and in the last."""
    made = [os.open(tmp_path, os.O_RDONLY)]
    for _ in range(_DEPTH):
        os.mkdir("a", dir_fd=made[-1])
        made.append(os.open("a", os.O_RDONLY, dir_fd=made[-1]))
        os.close(made[-2])
    os.close(os.open("deep.mp3", os.O_CREAT | os.O_WRONLY, dir_fd=made[-1]))
    (tmp_path / "b.mp3").touch()
    yield tmp_path
    os.unlink("deep.mp3", dir_fd=made[-1])
    for _ in range(_DEPTH):  # shutil.rmtree goes down by calls
        made.append(os.open("..", os.O_RDONLY, dir_fd=made[-1]))
        os.close(made[-2])
        os.rmdir("a", dir_fd=made[-1])
    os.close(made[-1])


def test_folders_deeper_than_calls_can_lie(deep: Path) -> None:
    walk = Walk(root=bytes(deep), exclude=())
    assert [os.path.basename(found.path) for found in walk.files()] == [b"deep.mp3", b"b.mp3"]
    assert walk.unreadable == []


def test_folders_too_deep_to_be_watched(deep: Path) -> None:
    with pytest.raises(OSError, match="too many"):
        watch.start([bytes(deep)], lambda path: None)


def test_a_path_longer_than_the_system_takes_is_named(tmp_path: Path) -> None:
    """Whoever made it went down step by step; we cannot open it by its name."""
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(17):
        os.mkdir("d" * 250, dir_fd=folder)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    (tmp_path / "z.mp3").touch()
    walk = Walk(root=bytes(tmp_path), exclude=())
    assert [os.path.basename(found.path) for found in walk.files()] == [b"z.mp3"]
    assert len(walk.unreadable) == 1


def test_what_is_no_file_is_said_to_be_passed_over(tmp_path: Path) -> None:
    (tmp_path / "album.mp3").mkdir()
    os.mkfifo(tmp_path / "pipe.mp3")
    (tmp_path / "linked").symlink_to("album.mp3")
    (tmp_path / "self.mp3").symlink_to("self.mp3")

    def why(name: str) -> str | None:
        return passed_over(bytes(tmp_path / name), [bytes(tmp_path)], ())

    assert why("album.mp3") == why("pipe.mp3") == "not a regular file"
    assert why("self.mp3") == "symbolic links are not followed"
    assert why("linked/a.mp3") == f"{tmp_path / 'linked'}: symbolic links are not followed"
    assert why("not yet there.mp3") is None
