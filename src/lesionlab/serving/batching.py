"""Questions of many callers, put together for a function that answers several at once."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Collects what is ready, and waits for nothing.

    A lonely item is answered at once; while a batch runs, the next ones gather and fill the next batch by themselves.
    Whoever cancels `ask` takes its item out of the queue.
    """

    def __init__(
        self, function: Callable[[Sequence[Item]], Sequence[Answer]], executor: Executor, largest: int
    ) -> None:
        """Answer with `function`, run in `executor`, at most `largest` items a time."""
        self._function = function
        self._executor = executor
        self._largest = largest
        self._waiting: asyncio.Queue[tuple[Item, asyncio.Future[Answer]]] = asyncio.Queue()

    async def ask(self, item: Item) -> Answer:
        """Return the answer for one item.

        Raises:
            Exception: What the function raised for its batch.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((item, answer))
        return await answer

    async def work(self) -> None:
        """Answer until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < self._largest and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            batch = [(item, answer) for item, answer in batch if not answer.done()]
            if not batch:
                continue
            try:
                answers = await loop.run_in_executor(self._executor, self._function, [item for item, _ in batch])
            except Exception as error:  # noqa: BLE001 - it belongs to those who asked; the next batch may go well
                for _, waiting in batch:
                    if not waiting.done():
                        waiting.set_exception(error)
                continue
            for (_, waiting), answer in zip(batch, answers, strict=True):
                if not waiting.done():
                    waiting.set_result(answer)
