"""Batched inference: each worker thread takes a batch from files to results, independently of the others."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from lesionlab.bundle import Patient
from lesionlab.images import ImageSource, Preprocessing
from lesionlab.prediction.inference.prefetch import prefetched
from lesionlab.prediction.inference.preprocessing import PreparedImage, name_of, try_to_prepare
from lesionlab.results import Failure

Result = TypeVar("Result")
Item = TypeVar("Item")


def predict_in_batches(
    images: Iterable[ImageSource],
    preprocessing: Preprocessing,
    function: Callable[[list[PreparedImage]], list[Result]],
    *,
    batch_size: int,
    workers: int,
    patient_of: Callable[[str], Patient] | None = None,
) -> Generator[Result | Failure, None, None]:
    """Yield the result of each image in their order; an unreadable image gives a failure in its place.

    At most one batch per worker is computed ahead.

    Args:
        images: The images.
        preprocessing: Preprocessing of the model.
        function: Returns results for a batch of prepared images, which is never empty; called from several threads.
        batch_size: Images per batch.
        workers: Number of threads.
        patient_of: Returns patient data for the name of an image; called from these threads.
    """

    def results(batch: list[tuple[int, ImageSource]], _index: int) -> list[Result | Failure]:
        prepared = [try_to_prepare(image, preprocessing, name_of(image, index)) for index, image in batch]
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
