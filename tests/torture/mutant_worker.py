"""The process that writes to mutants: `python -m tests.torture.mutant_worker FOLDER SEED START STOP`.

A line of JSON for each. A mutant that takes more than its seconds of processor time, or more memory than its bound, is
the end of the process (SIGPROF) or a MemoryError, and a fault either way.
"""

import io
import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from tagger.daemon import worker_process
from tagger.records import (
    Committed,
    Edit,
    FieldEdit,
    Inspection,
    JournalKind,
    JournalRow,
    JournalState,
    Policy,
    Prepared,
)
from tagger.tags import opinion
from tagger.tags.formats.base import FormatError, Style
from tagger.tags.formats.detect import by_name
from tagger.tags.inspect import inspect
from tagger.tags.refusals import Reason
from tagger.tags.splice import blocks
from tagger.tags.undo import prepare_undo
from tagger.tags.write import commit, prepare
from tests.torture.mutations import Mutant, bases, mutant

LIMIT_S = 2.0  # of processor time, for one mutant
MEMORY_MB = 256  # above what the process has when it is warm; the files have at most a fifth of a MB
CHANGES = {
    "genre": ("Jazz",),
    "mood": ("Happy",),
    "grouping": ("Happy",),
    "TAGGER_GENRE": ("jazz",),
    "TAGGER_MOOD": ("happy",),
    "TAGGER_VALENCE": ("0.71",),
}


def main() -> None:
    folder = Path(sys.argv[1])
    seed, start, stop = map(int, sys.argv[2:5])
    with tempfile.TemporaryDirectory() as made_in:
        known = bases(Path(made_in))
    for name in known:  # warm: every reader was imported and has run
        of = known[name]
        try_out(folder, Mutant(-1, name, *of))
    worker_process.limit_memory(MEMORY_MB)
    print(json.dumps({"ready": True}), flush=True)
    for number in range(start, stop):
        made = mutant(known, seed, number)
        signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
        before = resource.getrusage(resource.RUSAGE_SELF)
        outcome, detail = tried(folder, made)
        signal.setitimer(signal.ITIMER_PROF, 0)
        after = resource.getrusage(resource.RUSAGE_SELF)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        result = {"number": number, "base": made.base, "outcome": outcome, "detail": detail, "seconds": seconds}
        print(json.dumps(result | {"peak_mb": after.ru_maxrss / 1024}), flush=True)


def tried(folder: Path, made: Mutant) -> tuple[str, str]:
    """What came of a mutant: "written", "refused", "caught" by the check of the copy, or "fault"."""
    try:
        return try_out(folder, made)
    except BaseException as error:
        where = "".join(traceback.format_exception(error)[-3:])
        return "fault", f"{type(error).__name__}: {error}\n{where}"


def try_out(folder: Path, made: Mutant) -> tuple[str, str]:
    """Inspects it, writes to it and undoes that, as the daemon would; holds each against the promise."""
    for stale in folder.iterdir():
        stale.unlink()
    path = folder / f"mutant.{made.suffix}"
    path.write_bytes(made.content)
    found = inspect(os.fsencode(path))
    if not isinstance(found, Inspection):
        return "refused", found.reason
    if found.refusal:
        return "refused", found.refusal.reason
    fields = tuple(FieldEdit(name=name, old=(), new=values) for name, values in CHANGES.items())
    edit = Edit(
        path=found.path,
        stat=found.stat,
        container=found.container,
        identity=found.identity,
        fields=fields,
        notes={},
        policy=Policy(),
        bundle_id=None,
        carried=found.carried,
    )
    prepared = prepare(edit)
    if not isinstance(prepared, Prepared):
        detail = getattr(prepared, "detail", "")
        caught = prepared.reason in (Reason.NOT_VERIFIED, Reason.NO_UNDO)
        assert path.read_bytes() == made.content, "the original was touched"
        return "caught" if caught else "refused", f"{prepared.reason}: {detail}" if caught else prepared.reason
    assert isinstance(commit(prepared), Committed)
    _hold_against_the_promise(made.content, path, prepared, found.container)
    _undo(path, prepared)
    assert path.read_bytes() == made.content, "undone to something else"
    assert os.listdir(folder) == [path.name], "something is left beside it"
    return "written", ""


def _hold_against_the_promise(old: bytes, path: Path, prepared: Prepared, container: str) -> None:
    """What was written is read anew, and a splice back must leave the same foreign entries."""
    form = by_name(container)
    with path.open("rb") as file:
        before, after = form.read(io.BytesIO(old)), form.read(file)
        assert after.refusal is None, f"what was written would be refused: {after.refusal}"
        assert after.foreign == (*before.foreign, *before.carried.entries), "a foreign entry changed"
        assert form.identity(file) == prepared.identity, "the audio changed"
        assert opinion.values(file, container)["genre"] == CHANGES["genre"]
        try:
            plan = form.splice(file, dict.fromkeys(CHANGES, ()), Style())
        except FormatError as error:
            raise AssertionError(f"what was written cannot be taken out again: {error}") from error
        without = b"".join(blocks(plan, file.fileno()))
    assert form.read(io.BytesIO(without)).foreign == after.foreign, "a foreign entry changed on the way back"


def _undo(path: Path, written: Prepared) -> None:
    """As the journal would have it."""
    row = JournalRow(id=1, kind=JournalKind.WRITE, state=JournalState.RENAMED, at="2026-01-02", prepared=written)
    prepared, left = prepare_undo(os.fsencode(path), [row], Policy())
    assert isinstance(prepared, Prepared), prepared
    assert left == {}, left
    assert isinstance(commit(prepared), Committed)


if __name__ == "__main__":
    main()
