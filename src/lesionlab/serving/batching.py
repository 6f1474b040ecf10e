"""Dynamic batching of concurrent requests, in which images of a batch take turns with those of other requests."""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
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
        self._queue: _FairQueue[tuple[Item, asyncio.Future[Result]]] = _FairQueue()

    async def submit(self, item: Item, group: Hashable | None = None) -> Result:
        """Return the result for one item.

        Args:
            item: The item.
            group: The request or job with several items to which it belongs; None for a request with one item.

        Raises:
            Exception: The function raised it for the batch.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((group, (item, future)))
        return await future

    async def run(self) -> None:
        """Process batches until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            _, first = await self._queue.get()
            batch = [first]
            while len(batch) < self._max_items and not self._queue.empty():
                batch.append(self._queue.get_nowait()[1])
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


class _FairQueue(asyncio.Queue[tuple[Hashable | None, Item]]):
    """Entries are an item and its group. Items without a group alternate with those of groups, and groups alternate."""

    def _init(self, maxsize: int) -> None:
        del maxsize
        self._queue = _Turns[Item]()  # `asyncio.Queue` calls its `__len__`

    def _put(self, item: tuple[Hashable | None, Item]) -> None:
        self._queue.put(*item)

    def _get(self) -> tuple[Hashable | None, Item]:
        return self._queue.get()


class _Turns(Generic[Item]):
    def __init__(self) -> None:
        self._single: deque[Item] = deque()
        self._groups: dict[Hashable, deque[Item]] = {}  # the first is next
        self._group_is_next = False

    def __len__(self) -> int:
        return len(self._single) + sum(map(len, self._groups.values()))

    def put(self, group: Hashable | None, item: Item) -> None:
        (self._single if group is None else self._groups.setdefault(group, deque())).append(item)

    def get(self) -> tuple[Hashable | None, Item]:
        if self._single and not (self._groups and self._group_is_next):
            self._group_is_next = True
            return None, self._single.popleft()
        self._group_is_next = False
        group = next(iter(self._groups))
        items = self._groups.pop(group)
        item = items.popleft()
        if items:
            self._groups[group] = items
        return group, item
