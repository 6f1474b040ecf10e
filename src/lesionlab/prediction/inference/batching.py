"""Prefetching, and batched inference: each worker thread takes a batch from files to results."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from lesionlab.bundle import Patient
from lesionlab.cpu import available_cores
from lesionlab.images import ImageSource, Preprocessing
from lesionlab.prediction.inference.preprocessing import MAX_DECODERS, PreparedImage, name_of, try_to_prepare
from lesionlab.results import Failure

Result = TypeVar("Result")
Item = TypeVar("Item")


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


def prefetch_images(
    images: Iterable[ImageSource], preprocessing: Preprocessing, batch_size: int
) -> Generator[PreparedImage | Failure, None, None]:
    """Yield prepared images in their order, at most two batches ahead."""

    def attempt(image: ImageSource, index: int) -> PreparedImage | Failure:
        return try_to_prepare(image, preprocessing, name_of(image, index))

    return prefetched(attempt, images, ahead=2 * batch_size, threads=min(available_cores(), MAX_DECODERS))


def predict_in_batches(
    images: Iterable[ImageSource | Failure],
    preprocessing: Preprocessing,
    function: Callable[[list[PreparedImage]], list[Result]],
    batch_size: int,
    workers: int,
    patient_of: Callable[[str], Patient] | None,
) -> Generator[Result | Failure, None, None]:
    """Yield the result of each image in their order; an unreadable image gives a failure in its place.

    A failure among the images, of one that could not be read before, is yielded in its place.

    Each worker thread computes at most one batch ahead. There it calls `function`, which returns results for a batch
    of prepared images, never empty, and `patient_of`, which returns patient data for the name of an image.
    """

    def prepare(image: ImageSource | Failure, index: int) -> PreparedImage | Failure:
        return image if isinstance(image, Failure) else try_to_prepare(image, preprocessing, name_of(image, index))

    def results(batch: list[tuple[int, ImageSource | Failure]], _index: int) -> list[Result | Failure]:
        prepared = [prepare(image, index) for index, image in batch]
        good = [item for item in prepared if isinstance(item, PreparedImage)]
        if patient_of is not None:
            good = [replace(item, patient=patient_of(item.name)) for item in good]
        found = iter(function(good) if good else ())
        return [item if isinstance(item, Failure) else next(found) for item in prepared]

    batches = _batches(enumerate(images), batch_size)
    with closing(prefetched(results, batches, ahead=workers, threads=workers)) as finished:
        for batch in finished:
            yield from batch


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch
