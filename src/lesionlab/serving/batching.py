"""Dynamic batching of concurrent requests."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Batches items for a function that processes several at once, without added latency.

    An item is processed at once when the function is idle; items that are submitted while it runs form the next batch.
    Cancelling `submit` removes its item from the queue.
    """

    def __init__(
        self, function: Callable[[Sequence[Item]], Sequence[Result]], executor: Executor, max_items: int
    ) -> None:
        """Make a batcher that processes nothing until `run`. The function returns one result for each item."""
        self._function = function
        self._executor = executor
        self._max_items = max_items
        self._queue: asyncio.Queue[tuple[Item, asyncio.Future[Result]]] = asyncio.Queue()

    async def submit(self, item: Item) -> Result:
        """Return the result for one item.

        Raises:
            Exception: The function raised it for the batch.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((item, future))
        return await future

    async def run(self) -> None:
        """Process batches until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._queue.get()]
            while len(batch) < self._max_items and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            batch = [(item, future) for item, future in batch if not future.done()]
            if not batch:
                continue
            try:
                results = await loop.run_in_executor(self._executor, self._function, [item for item, _ in batch])
            except Exception as error:  # noqa: BLE001 - reported to the callers of this batch; the next one may succeed
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)
