"""Writes, undos, `write --again`, the user's own edits and new models in every order, on a real file."""

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tagger.analysis.chunks import ChunkPlan
from tagger.analysis.header import BundleHeader
from tagger.catalog import journal, store, views
from tagger.catalog.engine import open_writer
from tagger.daemon import file_worker, undoing
from tagger.daemon.pipeline import Pipeline, program_version
from tagger.daemon.report import UndoReport
from tagger.library.walk import Found
from tagger.records import (
    Analysis,
    Edit,
    Field,
    FieldEdit,
    FieldRule,
    FileStat,
    Inspection,
    Policy,
    Prepared,
    Selection,
)
from tagger.tags.fields import standing
from tagger.tags.inspect import inspect
from tagger.tags.write import commit, prepare
from tagger.vocabulary import GENRES, MOODS
from tests.audio import write_audio
from tests.quiet import Quiet

LABELS = {"jazz": "Jazz", "rock": "Rock", "happy": "Happy"}
FILL = Policy(custom=False, mood=FieldRule.OFF, label_map=LABELS)
OVERWRITE = replace(FILL, genre=FieldRule.OVERWRITE)


_HEADER = BundleHeader(
    id="b-1", sha256="", name="b", version="1", labels={}, sample_rate_hz=1, plan=ChunkPlan(chunk_seconds=1, chunks=1),
    temperatures={}, gates={}, emotion_cuts={}, music_threshold=0.0, card="", config={},
)  # fmt: skip


class _Workers:
    """File workers in this process."""

    async def do(self, job: object) -> object:
        return file_worker._do(job)


class Life:
    """One track with everything that happens to it."""

    def __init__(self, folder: Path, kind: str = "flac") -> None:
        self.folder = folder / "music"
        self.folder.mkdir()
        self.track = write_audio(self.folder, kind, 0.3)
        self.path, self.root = os.fsencode(self.track), os.fsencode(self.folder)
        self.pipeline = Pipeline(
            writer=open_writer(folder / "catalog.sqlite"),
            files=_Workers(),  # type: ignore[arg-type]
            model=None,  # type: ignore[arg-type]
            header=_HEADER,
            policy=FILL,
        )
        with self.pipeline.writer.begin() as connection:
            store.put_root(connection, self.root, 1)
        self.reporter = Quiet()
        self.look()
        self.hear("jazz")

    def look(self) -> None:
        """What a scan does."""
        with self.pipeline.writer.begin() as connection:
            known = views.known_file(connection, self.path)
        found = Found(path=self.path, stat=FileStat.of(self.track.stat()))
        assert asyncio.run(self.pipeline.inspect(found, self.root, known)) is None

    def hear(self, genre: str, sure: float = 0.8) -> None:
        """Another model's word, of the same name: the decision before it no longer stands."""
        with self.pipeline.writer.begin() as connection:
            known = views.known_file(connection, self.path)
            assert known is not None
            store.put_analysis(connection, known.identity, analysis(genre, sure), 0.3, time.time())
            store.forget_decision(connection, known.track_id)

    def decide(self) -> None:
        """Whatever is due, until nothing is."""
        for _ in range(3):
            with self.pipeline.writer.begin() as connection:
                digest, program = self.pipeline.policy.digest(), program_version()
                due = views.due_for_decision(connection, "b-1", digest, program, time.time(), after=0, limit=9)
            for one in due:
                asyncio.run(self.pipeline.decide(one))
            asyncio.run(self.pipeline.make_durable())

    def scan(self) -> None:
        self.look()
        self.decide()

    def user(self, *values: str, name: str = "genre") -> None:
        """The user's tag editor."""
        found = self.inspection()
        edit = FieldEdit(name=name, old=standing(found.tags, name), new=values)
        prepared = prepare(
            Edit(
                path=found.path, stat=found.stat, container=found.container, identity=found.identity, fields=(edit,),
                notes={}, policy=FILL, bundle_id=None,
            )
        )  # fmt: skip
        assert isinstance(prepared, Prepared), prepared
        commit(prepared)

    def again(self) -> None:
        undoing.lift(self.pipeline, [self.path])
        self.decide()

    def undo(self) -> UndoReport:
        work = undoing.undo(self.pipeline, [self.path], Selection(), self.reporter, dry_run=False)
        return asyncio.run(work)

    def inspection(self) -> Inspection:
        found = inspect(self.path)
        assert isinstance(found, Inspection)
        return found

    @property
    def genre(self) -> tuple[str, ...]:
        return self.inspection().tags.genre

    @property
    def vetoes(self) -> frozenset[Field]:
        with self.pipeline.writer.begin() as connection:
            return journal.vetoed(connection, self.path, self.inspection().identity)


def analysis(genre: str, sure: float) -> Analysis:
    return Analysis(
        bundle_id="b-1",
        genre=genre,
        genre_confidence=sure,
        mood="happy",
        mood_confidence=0.8,
        emotion="excited",
        valence=0.7,
        arousal=0.6,
        dominance=0.5,
        probabilities={
            "genre": {label: sure if label == genre else 0.0 for label in GENRES},
            "mood": {label: 0.8 if label == "happy" else 0.0 for label in MOODS},
        },
        embedding=b"",
        chunks=1,
    )


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    one = Life(tmp_path)
    yield one
    one.pipeline.writer.close()


# --- write --again --------------------------------------------------------------------------------------------------


def test_again_lifts_the_veto_of_a_change_and_the_users_value_stands(life: Life) -> None:
    life.scan()
    life.user("Polka")
    life.scan()
    assert life.vetoes == {Field.GENRE}
    life.again()
    assert (life.vetoes, life.genre) == (frozenset(), ("Polka",))
    life.hear("rock")
    life.scan()
    assert (life.vetoes, life.genre) == (frozenset(), ("Polka",))


@pytest.mark.parametrize("noticed", [True, False])
def test_again_fills_what_the_user_emptied(life: Life, noticed: bool) -> None:
    life.scan()
    life.user()
    if noticed:
        life.scan()
    assert life.genre == ()
    life.again()
    assert (life.vetoes, life.genre) == (frozenset(), ("Jazz",))
    life.user("Polka")  # and what he does then is a change again
    life.scan()
    assert (life.vetoes, life.genre) == ({Field.GENRE}, ("Polka",))


def test_again_overwrites_where_that_is_the_policy_and_undo_gives_the_users_value_back(life: Life) -> None:
    life.pipeline.policy = OVERWRITE
    life.scan()
    life.user("Polka")
    life.scan()
    assert life.genre == ("Polka",)
    life.again()
    assert life.genre == ("Jazz",)
    life.undo()
    assert life.genre == ("Polka",)


def test_what_was_just_written_counts_as_ours(life: Life) -> None:
    life.scan()
    with life.pipeline.writer.begin() as connection:
        (track,) = views.find(connection, views.Filters(), None)
    assert (life.genre, track.user_genres) == (("Jazz",), ())


def test_a_dry_run_vetoes_nothing(life: Life) -> None:
    life.scan()
    life.user("Polka")
    life.pipeline.dry_run = True
    life.scan()
    assert life.vetoes == frozenset()


def test_again_leaves_what_is_ours_ours(life: Life) -> None:
    life.scan()
    life.again()
    life.hear("rock")
    life.scan()
    assert life.genre == ("Rock",)


def test_again_lifts_the_veto_of_removed_labels_of_our_own(life: Life) -> None:
    life.pipeline.policy = replace(FILL, custom=True)
    life.scan()
    life.user(name="TAGGER_GENRE")
    life.scan()
    assert life.vetoes == {Field.CUSTOM}
    life.again()
    assert life.vetoes == frozenset()
    assert life.inspection().tags.own["TAGGER_GENRE"] == ("jazz",)


# --- the gate no longer reached -------------------------------------------------------------------------------------


@pytest.mark.parametrize("later", [FILL, OVERWRITE])
def test_a_value_that_we_replaced_comes_back_when_we_are_no_longer_sure(life: Life, later: Policy) -> None:
    life.user("Polka")
    life.pipeline.policy = OVERWRITE
    life.scan()
    assert life.genre == ("Jazz",)
    life.pipeline.policy = later
    life.hear("rock", sure=0.3)
    life.scan()
    assert life.genre == ("Polka",)
    life.pipeline.policy = FILL
    life.hear("rock")
    life.scan()
    assert life.genre == ("Polka",)  # it is the user's again


def test_where_nothing_stood_nothing_is_left_when_we_are_no_longer_sure(life: Life) -> None:
    life.scan()
    life.hear("rock", sure=0.3)
    life.scan()
    assert life.genre == ()
    life.hear("rock")
    life.scan()
    assert life.genre == ("Rock",)


# --- undo -----------------------------------------------------------------------------------------------------------


def test_a_value_set_after_an_undo_comes_back_by_the_next(life: Life) -> None:
    life.scan()
    life.undo()
    life.user("Polka")
    life.pipeline.policy = OVERWRITE
    life.scan()
    assert life.genre == ("Polka",)
    life.again()
    assert life.genre == ("Jazz",)
    life.user("A note", name="mood")  # a stranger: not to the byte
    life.undo()
    assert life.genre == ("Polka",)


def test_our_own_word_set_by_the_user_after_an_undo_is_his(life: Life) -> None:
    life.scan()
    life.undo()
    life.user("Jazz")
    life.pipeline.policy = OVERWRITE
    life.hear("rock")
    life.again()
    assert life.genre == ("Rock",)
    life.user("A note", name="mood")
    life.undo()
    assert life.genre == ("Jazz",)


def test_an_undo_that_left_the_users_change_holds_for_that_field_too(life: Life) -> None:
    life.pipeline.policy = Policy(label_map=LABELS)
    life.scan()
    life.user()  # no genre, said the user
    life.undo()
    life.scan()
    life.scan()
    assert life.genre == ()
    assert life.vetoes == {Field.GENRE, Field.MOOD, Field.CUSTOM}
