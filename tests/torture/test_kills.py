"""A short run of the kills and failing calls that `make torture` goes on with for an hour."""

from collections.abc import Callable, Iterator

import pytest

from tests.torture import kills, library

SEED = 20
DRESSES = ("mp3 v2.3 unsynchronised", "flac with values", "m4a with its audio last", "wav with INFO")


@pytest.fixture(scope="module")
def torture(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Iterator[kills.Torture]:
    compiler = need("cc")
    folder = tmp_path_factory.mktemp("torture")
    place = library.build(folder / "library", DRESSES)
    program = kills.Program(place, kills.compiled(folder, compiler))
    made = kills.Torture(place, program, SEED)
    yield made
    program.close()


@pytest.mark.parametrize("kind", ["step", "moment", "process", *kills.ERRORS])
def test_whatever_strikes_each_file_is_old_or_new_and_can_be_undone(torture: kills.Torture, kind: str) -> None:
    rounds = {"step": 3, "moment": 2}.get(kind, 1)
    for number in range(rounds):
        torture.round(number * 37 + 1, kind)


def test_what_strikes_is_felt(torture: kills.Torture) -> None:
    """The shim is in the way of the program's calls: a kill at the first one is a kill."""
    answer = torture.program.run("scan", fault="kill", mask=kills.CHANGES, at=1)
    assert answer["status"] == -9
