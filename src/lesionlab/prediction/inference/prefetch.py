"""Prefetching: compute the next results in threads while the current ones are used."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetched(
    function: Callable[[Item, int], Result], items: Iterable[Item], *, ahead: int, threads: int
) -> Generator[Result, None, None]:
    """Yield `function(item, index)` for each item in order, computed in threads at most `ahead` items early.

    Closing the generator cancels pending calls. An exception of `function` is raised in place of its result.
    """
    pending: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="lesionlab")
    try:
        for index, item in enumerate(items):
            pending.append(pool.submit(function, item, index))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
