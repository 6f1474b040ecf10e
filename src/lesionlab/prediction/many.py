"""Judging many images: every core takes a batch from its files to the answers, so that none waits for another."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from lesionlab.bundle import Patient
from lesionlab.images import ImageSource, Preprocessing
from lesionlab.prediction.ahead import mapped_ahead
from lesionlab.prediction.prepared import PreparedImage, name_of, try_to_prepare
from lesionlab.prediction.result import Failure

Answer = TypeVar("Answer")
Item = TypeVar("Item")


def judged_in_batches(
    images: Iterable[ImageSource],
    preprocessing: Preprocessing,
    judge: Callable[[list[PreparedImage]], list[Answer]],
    *,
    batch_size: int,
    workers: int,
    patient_of: Callable[[str], Patient] | None = None,
) -> Generator[Answer | Failure, None, None]:
    """Yield what `judge` says of each image, in their order; what cannot be read keeps its place.

    At most one batch for each worker is judged before it is asked for.

    Args:
        images: The images.
        preprocessing: How they become the graph's input.
        judge: Answers for prepared images; called from several threads, never for none.
        batch_size: Images that it is given at a time.
        workers: Threads.
        patient_of: Returns what is known of the patient of an image, for the image's name; called from these threads.
    """

    def answers(batch: list[tuple[int, ImageSource]], _index: int) -> list[Answer | Failure]:
        prepared = [try_to_prepare(image, preprocessing, name_of(image, index)) for index, image in batch]
        good = [item for item in prepared if isinstance(item, PreparedImage)]
        if patient_of is not None:
            good = [replace(item, patient=patient_of(item.name)) for item in good]
        judged = iter(judge(good) if good else ())
        return [item if isinstance(item, Failure) else next(judged) for item in prepared]

    batches = _batches(enumerate(images), batch_size)
    with closing(mapped_ahead(answers, batches, ahead=workers, threads=workers)) as judged_batches:
        for batch in judged_batches:
            yield from batch


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch
