"""Dynamic batching of concurrent requests."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from lesionlab.serving.batching import Batcher


class _Doubling:
    """Doubles numbers, once `event` is set, and fails for negative ones."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.event = threading.Event()
        self.event.set()

    def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(items))
        assert self.event.wait(10)
        if min(items) < 0:
            raise ValueError("negative")
        return [2 * item for item in items]


async def _running(doubling: _Doubling, max_items: int = 4) -> tuple[Batcher[int, int], "asyncio.Task[None]"]:
    batcher = Batcher(doubling, ThreadPoolExecutor(1), max_items)
    return batcher, asyncio.create_task(batcher.run())


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a thread changes it
            await asyncio.sleep(0.001)


def test_single_items_run_at_once_and_queued_items_in_full_batches() -> None:
    async def scenario() -> None:
        doubling = _Doubling()
        batcher, work = await _running(doubling)
        assert await batcher.submit(1) == 2
        doubling.event.clear()
        first = asyncio.create_task(batcher.submit(2))
        await _until(lambda: len(doubling.batches) == 2)
        queued = asyncio.gather(*(batcher.submit(number) for number in range(3, 9)))
        await asyncio.sleep(0.01)
        doubling.event.set()
        assert await first == 4
        assert await queued == [6, 8, 10, 12, 14, 16]
        assert doubling.batches == [[1], [2], [3, 4, 5, 6], [7, 8]]
        work.cancel()

    asyncio.run(scenario())


def test_error_affects_only_its_batch() -> None:
    async def scenario() -> None:
        batcher, work = await _running(_Doubling(), max_items=1)
        bad, good = batcher.submit(-1), batcher.submit(5)
        results = await asyncio.gather(bad, good, return_exceptions=True)
        assert isinstance(results[0], ValueError)
        assert results[1] == 10
        assert not work.done()
        work.cancel()

    asyncio.run(scenario())


def test_cancelled_items_are_not_processed() -> None:
    async def scenario() -> None:
        doubling = _Doubling()
        batcher, work = await _running(doubling)
        doubling.event.clear()
        first = asyncio.create_task(batcher.submit(1))
        await _until(lambda: doubling.batches)
        cancelled = asyncio.create_task(batcher.submit(2))
        kept = asyncio.create_task(batcher.submit(3))
        await asyncio.sleep(0.01)
        cancelled.cancel()
        first.cancel()
        await asyncio.sleep(0)
        doubling.event.set()
        assert await kept == 6
        assert doubling.batches == [[1], [3]]
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        work.cancel()

    asyncio.run(scenario())


def test_images_of_a_batch_take_turns_with_those_of_other_requests() -> None:
    async def scenario() -> None:
        doubling = _Doubling()
        batcher, work = await _running(doubling, max_items=1)
        doubling.event.clear()
        first = asyncio.create_task(batcher.submit(0))
        await _until(lambda: doubling.batches)
        large = [asyncio.create_task(batcher.submit(10 + i, "large batch")) for i in range(5)]
        small = [asyncio.create_task(batcher.submit(20 + i, "small batch")) for i in range(2)]
        single = [asyncio.create_task(batcher.submit(30 + i)) for i in range(3)]
        await asyncio.sleep(0.01)
        doubling.event.set()
        await asyncio.gather(first, *large, *small, *single)
        # Single images get every other turn, and batches share the others.
        assert [batch[0] for batch in doubling.batches] == [0, 10, 30, 20, 31, 11, 32, 21, 12, 13, 14]
        work.cancel()

    asyncio.run(scenario())
