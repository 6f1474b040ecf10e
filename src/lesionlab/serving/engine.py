"""The inference engine of a server: images are decoded in parallel and predicted in dynamic batches."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

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
_NO_PATIENT_DATA: Final = Patient()


class _ActiveRuns:
    """Counts concurrent runs of the graph; entering returns whether there are others."""

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
    """Predicts images of concurrent requests: one thread pool decodes, another runs the graph."""

    def __init__(self, predictor: Predictor, max_pixels: int, metrics: Metrics) -> None:
        """Make an engine that is idle until `start`."""
        self._predictor = predictor
        self._decoder = Decoder(predictor, max_pixels)
        self._metrics = metrics
        self._decoders = ThreadPoolExecutor(min(available_cores(), _MAX_DECODERS), "lesionlab-decode")
        self._graph = ThreadPoolExecutor(predictor.pipeline.threads, "lesionlab-inference")
        self._active_runs = _ActiveRuns()
        # Predictions and explanations are different runs of the graph, on the same threads.
        self._predictions = Batcher(self._predict, self._graph, IMAGES_PER_RUN)
        self._explanations = Batcher(self._explain, self._graph, IMAGES_PER_RUN)
        self._workers: tuple[asyncio.Task[None], ...] = ()

    @property
    def running(self) -> bool:
        """Whether the engine has started and none of its workers has ended."""
        return bool(self._workers) and not any(worker.done() for worker in self._workers)

    async def start(self) -> None:
        """Run the graph once, so that the first request is not slower than the next, and start the workers.

        Raises:
            BundleError: The graph or the segmentation model fails.
        """
        side = self._predictor.info.preprocessing.size
        blank = PreparedImage("warm-up", np.zeros((side, side, 3), np.uint8), ())
        await asyncio.get_running_loop().run_in_executor(self._graph, self._warm_up, blank)
        each = range(self._predictor.pipeline.threads)
        self._workers = tuple(
            asyncio.create_task(b.run()) for b in (self._predictions, self._explanations) for _ in each
        )

    async def stop(self) -> None:
        """Stop the workers; queued images are dropped."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for pool in (self._decoders, self._graph):
            pool.shutdown(wait=False, cancel_futures=True)

    async def predict(self, data: bytes, patient: Patient = _NO_PATIENT_DATA) -> Prediction:
        """Predict an image from the bytes of its file.

        Raises:
            ProblemError: The image cannot be read.
        """
        return await self._predictions.submit(await self._prepare(data, patient))

    async def explain(
        self, data: bytes, diagnosis: str | None, patient: Patient = _NO_PATIENT_DATA
    ) -> ExplainedPrediction:
        """Predict an image, explain a class (None: the most probable one), and measure the lesion.

        Raises:
            ProblemError: The image cannot be read.
        """
        image = await self._prepare(data, patient)
        explained = await self._explanations.submit((image, diagnosis))
        # On a decoding thread, so that the measurement does not delay runs of the graph.
        measure = self._predictor.pipeline.measure_lesion
        return await asyncio.get_running_loop().run_in_executor(self._decoders, measure, image, explained)

    async def _prepare(self, data: bytes, patient: Patient) -> PreparedImage:
        prepared = await asyncio.get_running_loop().run_in_executor(self._decoders, self._decoder.prepare, data)
        return replace(prepared, patient=patient)

    def _warm_up(self, image: PreparedImage) -> None:
        pipeline = self._predictor.pipeline
        # With one thread there is a single session.
        for concurrent in (False, True) if pipeline.threads > 1 else (False,):
            if not self._predictor.explainable:
                pipeline.predict([image], concurrent=concurrent)
                continue
            (explained,) = pipeline.explain([image], [None], concurrent=concurrent)
            pipeline.measure_lesion(image, explained)

    def _predict(self, images: Sequence[PreparedImage]) -> Sequence[Prediction]:
        with self._active_runs as concurrent:
            predictions = self._predictor.pipeline.predict(images, concurrent=concurrent)
        self._metrics.count_predictions(predictions)
        return predictions

    def _explain(self, batch: Sequence[tuple[PreparedImage, str | None]]) -> Sequence[ExplainedPrediction]:
        images, diagnoses = zip(*batch, strict=True)
        with self._active_runs as concurrent:
            explained = self._predictor.pipeline.explain(images, diagnoses, concurrent=concurrent)
        self._metrics.count_predictions([one.prediction for one in explained])
        return explained
