"""A library of mixed formats that was heard already, and what must hold of it at any moment."""

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tagger.analysis.header import default_bundle, read_header
from tagger.catalog import journal, store, views
from tagger.catalog.engine import open_writer
from tagger.records import Analysis, FileStat, Inspection, JournalState
from tagger.tags.copy import TEMP_PREFIX
from tagger.tags.inspect import content_hash, inspect
from tagger.vocabulary import GENRES, MOODS
from tests.audio import KINDS, write_audio
from tests.tags.formats.test_format_contract import DRESSED, SUFFIX, Plain

NAMES = (b"plain", b"with a space", b"new\nline", b"no utf-8 \xff\xfe", b"-option", b"folder \xf0/inside")


@dataclass(frozen=True, slots=True)
class Library:
    """`folder` holds music/ and state/; `originals` are the bytes and identities from which it started."""

    folder: Path
    originals: dict[bytes, tuple[bytes, str]]

    @property
    def music(self) -> bytes:
        return os.fsencode(self.folder / "music")

    @property
    def catalog(self) -> Path:
        return self.folder / "state" / "catalog.sqlite"


def build(folder: Path, dressed: Sequence[str] = tuple(DRESSED)) -> Library:
    """One file of each of these dresses, under names of every kind, and a catalog that has heard them all."""
    music = os.fsencode(folder / "music")
    os.makedirs(music)
    originals: dict[bytes, tuple[bytes, str]] = {}
    with tempfile.TemporaryDirectory() as made:
        for number, name in enumerate(dressed):
            kind, dress = DRESSED[name]
            source = Path(made) / f"{number}.{SUFFIX.get(kind, kind)}"
            source.write_bytes(_recording(Path(made), kind, number))
            dress(source)
            odd = NAMES[number % len(NAMES)]
            target = os.path.join(music, odd + b" %d" % number + os.fsencode(source.suffix))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(source, target)
            found = inspect(target)
            assert isinstance(found, Inspection), found
            assert found.refusal is None, (name, found.refusal)
            originals[target] = source.read_bytes(), found.identity
    library = Library(folder, originals)
    _hear(library)
    return library


def _recording(folder: Path, kind: str, number: int) -> bytes:
    """Another one for each number, where the encoder is at hand; the others are as the contract suite has them."""
    if kind in KINDS or kind == "dsf":
        return write_audio(folder, kind, 0.5, name="raw", seed=number).read_bytes()
    return Plain(folder, lambda program: shutil.which(program) or program, 0.5)[kind]


def _hear(library: Library) -> None:
    header = read_header(default_bundle())
    writer = open_writer(library.catalog)
    with writer.begin() as connection:
        store.put_bundle(connection, header.id, header.name, header.version, header.labels, header.card)
        store.put_root(connection, library.music, os.stat(library.music).st_dev)
        for number, path in enumerate(library.originals):
            found = inspect(path)
            assert isinstance(found, Inspection)
            store.put_inspection(connection, found, library.music, time.time())
            store.put_analysis(connection, found.identity, _analysis(header.id, number), 0.5, time.time())
    writer.close()


def _analysis(bundle_id: str, number: int) -> Analysis:
    genre, mood = GENRES[number % len(GENRES)], MOODS[number % len(MOODS)]
    return Analysis(
        bundle_id=bundle_id,
        genre=genre,
        genre_confidence=0.95,
        mood=mood,
        mood_confidence=0.95,
        emotion="excited",
        valence=0.7,
        arousal=0.6,
        dominance=0.5,
        probabilities={
            "genre": {label: 0.95 if label == genre else 0.0 for label in GENRES},
            "mood": {label: 0.95 if label == mood else 0.0 for label in MOODS},
        },
        embedding=b"",
        chunks=1,
    )


def check_at_any_moment(library: Library) -> int:
    """Each file is the old one, or one of which the journal holds the undo record; how many are not the old one."""
    known = _journal_hashes(library)
    changed = 0
    for path, (old, identity) in library.originals.items():
        with open(path, "rb") as file:
            content = file.read()
            digest = content_hash(file)
        if content != old:
            changed += 1
            assert digest in known.get(path, set()), f"{path!r} was changed without an undo record"
        now = inspect(path)
        assert isinstance(now, Inspection), (path, now)
        assert now.identity == identity, f"{path!r}: the audio changed"
        assert now.refusal is None, (path, now.refusal)
    return changed


def _journal_hashes(library: Library) -> dict[bytes, set[str]]:
    """By path, the content that a journal row with an undo record stands for; read from a copy of the journal."""
    with tempfile.TemporaryDirectory() as folder:
        for source in library.catalog.parent.glob("journal.sqlite*"):
            shutil.copyfile(source, Path(folder) / source.name)
        connection = sqlite3.connect(Path(folder) / "journal.sqlite")
        hashes: dict[bytes, set[str]] = {}
        for path, digest in connection.execute("SELECT path, hash_after FROM writes WHERE undo_record IS NOT NULL"):
            hashes.setdefault(path, set()).add(digest)
        connection.close()
    return hashes


def check_settled(library: Library, *, written: bool) -> None:
    """After a run to the end: nothing open, no copy left, the catalog as the files are; all new, or all old again."""
    strays = [name for _, _, names in os.walk(library.music) for name in names if name.startswith(TEMP_PREFIX)]
    assert strays == []
    present = {os.path.join(folder, name) for folder, _, names in os.walk(library.music) for name in names}
    assert present == set(library.originals)
    writer = open_writer(library.catalog)
    try:
        with writer.begin() as connection:
            assert [row.prepared.path for row in journal.open_rows(connection)] == []
            for path, (old, identity) in library.originals.items():
                now, known = inspect(path), views.known_file(connection, path)
                assert isinstance(now, Inspection)
                assert known is not None
                assert (known.stat, known.identity, known.missing) == (now.stat, identity, False), path
                with open(path, "rb") as file:
                    content = file.read()
                newest = next(iter(journal.rows_for(connection, path, identity)), None)
                assert (content != old) == written, path
                assert newest is None or newest.state in (JournalState.RENAMED, JournalState.DROPPED), (path, newest)
    finally:
        writer.close()
    with sqlite3.connect(library.catalog) as connection:
        for path, digest in connection.execute("SELECT path, tags_digest FROM tracks"):
            now = inspect(path)
            assert isinstance(now, Inspection)
            assert now.tags.digest() == digest, path
            assert FileStat.of(os.lstat(path)) == now.stat


def retry_now(library: Library) -> None:
    """A day passes: what waits for its next attempt is due."""
    with sqlite3.connect(library.catalog) as connection:
        connection.execute("UPDATE failures SET next_attempt = 0 WHERE next_attempt IS NOT NULL")
