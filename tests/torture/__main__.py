"""`make torture`: kills and mutants until their counts are reached, an hour at most; the next call goes on."""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any

from tests.tags.formats.test_format_contract import DRESSED
from tests.torture import kills, library, mutants

STATE = kills.ROOT / "build" / "torture"
KINDS = ("step", "moment", "step", "process", "moment", *kills.ERRORS)
_ROUNDS_A_LIBRARY = 60
_KEPT_AFTER = 500  # mutants
_FILES = 5  # of a library: a run over it is long enough to be cut off anywhere


def main() -> int:
    words = _words()
    end = time.monotonic() + 60 * words.minutes
    STATE.mkdir(parents=True, exist_ok=True)
    good = True
    if words.what in ("kills", "both"):
        good = _kills(words, end if words.what == "kills" else time.monotonic() + 30 * words.minutes)
    if words.what in ("mutants", "both"):
        good = _mutants(words, end) and good
    return 0 if good else 1


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("kills", "mutants", "both"), default="both")
    parser.add_argument("--minutes", type=float, default=60, help="at most so long (default 60, which is the most)")
    parser.add_argument("--seed", type=int, default=1, help="another seed begins another count")
    parser.add_argument("--rounds", type=int, default=2_000, help="kills and failing calls: at least so many rounds")
    parser.add_argument("--mutants", type=int, default=100_000)
    words = parser.parse_args()
    words.minutes = min(words.minutes, 60)
    return words


def _kept(name: str) -> dict[str, Any]:
    path = STATE / name
    return json.loads(path.read_text()) if path.exists() else {}


def _keep(name: str, state: dict[str, Any]) -> None:
    new = STATE / f"{name}.new"
    new.write_text(json.dumps(state, indent=1))
    new.replace(STATE / name)


def _kills(words: argparse.Namespace, end: float) -> bool:
    """A library after the other, of other dresses each time; stops at the first broken promise, and keeps the place."""
    name = f"kills-{words.seed}.json"
    state = {"next": 0, "counts": {}, "broken": []} | _kept(name)
    counts = Counter(state["counts"])
    compiler = shutil.which("cc")
    if compiler is None:
        sys.exit("make torture needs a C compiler (cc) for kills")
    while state["next"] < words.rounds and time.monotonic() < end:
        with tempfile.TemporaryDirectory() as folder:
            dressed = random.Random(f"{words.seed} {state['next']}").sample(sorted(DRESSED), _FILES)
            place = library.build(Path(folder) / "library", dressed)
            program = kills.Program(place, kills.compiled(Path(folder), compiler))
            torture = kills.Torture(place, program, words.seed)
            try:
                torture.measure()
                for _ in range(_ROUNDS_A_LIBRARY):
                    if state["next"] < words.rounds and time.monotonic() < end:
                        torture.round(state["next"], KINDS[state["next"] % len(KINDS)])
                        state["next"] += 1
                        _keep(name, state | {"counts": dict(counts + torture.counts)})
            except AssertionError as error:
                said = [str(error)[:2000], *getattr(error, "__notes__", ()), f"files: {dressed}"]
                print("BROKEN", *said, sep="\n  ")
                state["broken"].append(said)
                state["next"] += 1
            finally:
                program.close()
                counts += torture.counts
                _keep(name, state | {"counts": dict(counts)})
    print(f"kills, seed {words.seed}: {state['next']} of {words.rounds} rounds, broken: {len(state['broken'])}")
    for what, count in sorted(counts.items()):
        print(f"{count:7}  {what}")
    return not state["broken"]


def _mutants(words: argparse.Namespace, end: float) -> bool:
    name = f"mutants-{words.seed}.json"
    kept = _kept(name)
    tally = mutants.Tally(words.seed)
    if kept:
        kept["outcomes"] = {base: Counter(row) for base, row in kept["outcomes"].items()}
        tally = mutants.Tally(**(kept | {"reasons": Counter(kept["reasons"])}))
    for count in mutants.run(tally, words.mutants, end):
        if count % _KEPT_AFTER == 0:
            _keep(name, {each.name: getattr(tally, each.name) for each in fields(tally)})
    _keep(name, {each.name: getattr(tally, each.name) for each in fields(tally)})
    print(f"mutants, seed {words.seed}: {tally.next} of {words.mutants}, faults: {len(tally.faults)}")
    print(tally.table())
    for fault in tally.faults[:20]:
        print(f"FAULT {fault['number']} ({fault['base']}): {fault['detail']}")
    return not tally.faults


if __name__ == "__main__":
    sys.exit(main())
