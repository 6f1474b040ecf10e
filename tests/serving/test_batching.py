"""Questions of many callers in few calls."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from lesionlab.serving.batching import Batcher


class _Doubling:
    """Doubles numbers, slowly while `door` is closed, and fails at those below zero."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.door = threading.Event()
        self.door.set()

    def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(items))
        assert self.door.wait(10)
        if min(items) < 0:
            raise ValueError("below zero")
        return [2 * item for item in items]


async def _working(doubling: _Doubling, largest: int = 4) -> tuple[Batcher[int, int], "asyncio.Task[None]"]:
    batcher = Batcher(doubling, ThreadPoolExecutor(1), largest)
    return batcher, asyncio.create_task(batcher.work())


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a thread brings it about
            await asyncio.sleep(0.001)


def test_a_lonely_item_is_answered_at_once_and_a_crowd_in_full_batches() -> None:
    async def scene() -> None:
        doubling = _Doubling()
        batcher, work = await _working(doubling)
        assert await batcher.ask(1) == 2
        doubling.door.clear()
        first = asyncio.create_task(batcher.ask(2))
        await _until(lambda: len(doubling.batches) == 2)
        crowd = asyncio.gather(*(batcher.ask(number) for number in range(3, 9)))
        await asyncio.sleep(0.01)
        doubling.door.set()
        assert await first == 4
        assert await crowd == [6, 8, 10, 12, 14, 16]
        assert doubling.batches == [[1], [2], [3, 4, 5, 6], [7, 8]]
        work.cancel()

    asyncio.run(scene())


def test_a_fault_belongs_to_its_batch_alone() -> None:
    async def scene() -> None:
        batcher, work = await _working(_Doubling(), largest=1)
        bad, good = batcher.ask(-1), batcher.ask(5)
        results = await asyncio.gather(bad, good, return_exceptions=True)
        assert isinstance(results[0], ValueError)
        assert results[1] == 10
        assert not work.done()
        work.cancel()

    asyncio.run(scene())


def test_who_has_left_is_not_judged() -> None:
    async def scene() -> None:
        doubling = _Doubling()
        batcher, work = await _working(doubling)
        doubling.door.clear()
        first = asyncio.create_task(batcher.ask(1))
        await _until(lambda: doubling.batches)
        leaving = asyncio.create_task(batcher.ask(2))
        staying = asyncio.create_task(batcher.ask(3))
        await asyncio.sleep(0.01)
        leaving.cancel()
        first.cancel()
        await asyncio.sleep(0)
        doubling.door.set()
        assert await staying == 6
        assert doubling.batches == [[1], [3]]
        with pytest.raises(asyncio.CancelledError):
            await leaving
        work.cancel()

    asyncio.run(scene())
