"""Turns: never two at once, nobody waits behind long work, and long work gets on all the same."""

import asyncio

import pytest

from tagger.daemon.turns import Turn, Turns


async def _long(turns: Turns, steps: int, done: list[str]) -> None:
    async with Turn(turns) as turn:
        for _ in range(steps):
            await asyncio.sleep(0)
            done.append("step")
            await turn.give_way()


def test_who_waits_comes_before_the_next_step() -> None:
    done: list[str] = []

    async def ask(turns: Turns) -> None:
        async with Turn(turns, 60):
            assert turns.idle_s() == 0
            done.append("asked")

    async def run() -> None:
        turns = Turns()
        long = asyncio.create_task(_long(turns, 5, done))
        await asyncio.sleep(0)
        await ask(turns)
        await long
        assert turns.idle_s() >= 0
        assert not turns.lock.locked()

    asyncio.run(run())
    assert done == ["step", "asked", *["step"] * 4]


def test_two_that_are_long_take_turns() -> None:
    first: list[str] = []
    second: list[str] = []

    async def run() -> None:
        turns = Turns()
        long = asyncio.create_task(_long(turns, 50, first))
        await _long(turns, 10, second)
        assert 9 <= len(first) <= 12
        await long

    asyncio.run(run())


def test_a_request_keeps_its_turn_for_a_while() -> None:
    async def run() -> None:
        turns = Turns()
        async with Turn(turns, 60) as turn:
            waits = asyncio.create_task(_long(turns, 1, []))
            await asyncio.sleep(0)
            assert not turn.over
            await turn.give_way()
            assert (turn.given, waits.done()) == (0, False)
        await waits

    asyncio.run(run())


def test_one_that_is_ended_while_it_gave_way_lets_the_others_go_on() -> None:
    async def run() -> None:
        turns = Turns()
        long = asyncio.create_task(_long(turns, 1000, []))
        await asyncio.sleep(0)
        async with Turn(turns, 60):
            long.cancel()
            with pytest.raises(asyncio.CancelledError):
                await long
            assert turns.lock.locked()
        assert not turns.lock.locked()

    asyncio.run(run())
