"""Many questions at once, one model: images are decoded side by side and judged together as they get ready."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np

from lesionlab.bundle import Patient
from lesionlab.cpu import available_cores
from lesionlab.prediction import Predictor, PreparedImage
from lesionlab.prediction.inference.session import IMAGES_PER_RUN
from lesionlab.results import ExplainedPrediction, Prediction
from lesionlab.serving.batching import Batcher
from lesionlab.serving.decoding import Decoder
from lesionlab.serving.metrics import Metrics

_MAX_DECODERS: Final = 4
_NOTHING_KNOWN: Final = Patient()

_Question: TypeAlias = tuple[PreparedImage, str | None]


class _Running:
    """Counts what runs at one time; entering it tells whether there is something else."""

    def __init__(self) -> None:
        self._count = 0
        self._lock = threading.Lock()

    def __enter__(self) -> bool:
        with self._lock:
            self._count += 1
            return self._count > 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._count -= 1


class Engine:
    """Judges images for many callers: a few threads decode, and each core runs the graph for some of them."""

    def __init__(self, predictor: Predictor, max_pixels: int, metrics: Metrics) -> None:
        """Make an engine that does nothing before `start`."""
        self._predictor = predictor
        self._decoder = Decoder(predictor, max_pixels)
        self._metrics = metrics
        self._decoders = ThreadPoolExecutor(min(available_cores(), _MAX_DECODERS), "lesionlab-decode")
        self._graph = ThreadPoolExecutor(predictor.pipeline.threads, "lesionlab-inference")
        self._running = _Running()
        # To judge and to explain are different runs of the graph; they share the threads.
        self._judging = Batcher(self._judge, self._graph, IMAGES_PER_RUN)
        self._explaining = Batcher(self._explain, self._graph, IMAGES_PER_RUN)
        self._workers: tuple[asyncio.Task[None], ...] = ()

    @property
    def alive(self) -> bool:
        """Whether the model has answered and goes on answering."""
        return bool(self._workers) and not any(worker.done() for worker in self._workers)

    async def start(self) -> None:
        """Run what answers once, so that the first caller does not wait for it, and begin to work.

        Raises:
            BundleError: The graph fails, or that which measures lesions.
        """
        side = self._predictor.info.preprocessing.size
        blank = PreparedImage("warm-up", np.zeros((side, side, 3), np.uint8), ())
        await asyncio.get_running_loop().run_in_executor(self._graph, self._warm_up, blank)
        each = range(self._predictor.pipeline.threads)
        self._workers = tuple(asyncio.create_task(b.work()) for b in (self._judging, self._explaining) for _ in each)

    async def stop(self) -> None:
        """Stop working; what has not been answered is dropped."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for pool in (self._decoders, self._graph):
            pool.shutdown(wait=False, cancel_futures=True)

    async def predict(self, data: bytes, patient: Patient = _NOTHING_KNOWN) -> Prediction:
        """Judge the bytes of an image file, with what is known of the patient.

        Raises:
            ProblemError: The image cannot be judged.
        """
        return await self._judging.ask(replace(await self._prepared(data), patient=patient))

    async def explain(
        self, data: bytes, diagnosis: str | None, patient: Patient = _NOTHING_KNOWN
    ) -> ExplainedPrediction:
        """Judge the bytes of an image file, give the reasons, and measure the lesion.

        Args:
            data: The file.
            diagnosis: Code of the class to explain; None: the answer.
            patient: What is known of the patient.

        Raises:
            ProblemError: The image cannot be judged.
        """
        image = replace(await self._prepared(data), patient=patient)
        explained = await self._explaining.ask((image, diagnosis))
        # Beside the graph's own thread, so that no other answer waits for it.
        measure = self._predictor.pipeline.measure_lesion
        return await asyncio.get_running_loop().run_in_executor(self._decoders, measure, image, explained)

    async def _prepared(self, data: bytes) -> PreparedImage:
        return await asyncio.get_running_loop().run_in_executor(self._decoders, self._decoder.prepare, data)

    def _warm_up(self, image: PreparedImage) -> None:
        # With one thread there is a single session.
        for concurrent in (False, True) if self._predictor.pipeline.threads > 1 else (False,):
            if not self._predictor.explainable:
                self._predictor.pipeline.predict([image], concurrent=concurrent)
                continue
            (explained,) = self._predictor.pipeline.explain([image], [None], concurrent=concurrent)
            self._predictor.pipeline.measure_lesion(image, explained)

    def _judge(self, images: Sequence[PreparedImage]) -> Sequence[Prediction]:
        with self._running as concurrent:
            answers = self._predictor.pipeline.predict(images, concurrent=concurrent)
        self._metrics.judged(answers)
        return answers

    def _explain(self, questions: Sequence[_Question]) -> Sequence[ExplainedPrediction]:
        images, diagnoses = zip(*questions, strict=True)
        with self._running as concurrent:
            answers = self._predictor.pipeline.explain(images, diagnoses, concurrent=concurrent)
        self._metrics.judged([answer.prediction for answer in answers])
        return answers
