"""The first of the 100,000 damaged files that `make torture` goes through."""

import time

from tests.torture import mutants

SEED, COUNT = 20, 400


def test_damaged_files_are_written_whole_or_refused() -> None:
    tally = mutants.Tally(SEED)
    for _ in mutants.run(tally, COUNT, time.monotonic() + 150):
        pass
    assert tally.faults == [], tally.table()
    outcomes = [sum(row[what] for row in tally.outcomes.values()) for what in ("written", "refused")]
    assert min(outcomes) > tally.next / 10, "the mutations are too gentle or too harsh"
    assert tally.next > COUNT / 3
