"""The inference engine of a server: images are decoded in parallel and predicted in dynamic batches."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Final, cast

import numpy as np

from lesionlab.bundle import ImageType, Patient
from lesionlab.cpu import available_cores
from lesionlab.prediction import Pipeline, Predictor, PreparedImage
from lesionlab.prediction.decision.setting import Setting
from lesionlab.prediction.inference.session import IMAGES_PER_RUN
from lesionlab.prediction.lesions import LesionSettings, PreparedLesion
from lesionlab.results import ExplainedPrediction, Prediction, ProblemType
from lesionlab.serving.batching import Batcher
from lesionlab.serving.decoding import Decoder, LargeImageError
from lesionlab.serving.metrics import Metrics
from lesionlab.serving.problem import ProblemError

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
    """Predicts images of concurrent requests: some threads decode, others run the graph.

    Images of a request with several, and large images, do not delay others: images of a request take turns with those
    of other requests, and large images have a thread of their own.

    Attributes:
        pending: Images submitted and not yet completed.
    """

    def __init__(self, predictor: Predictor, max_pixels: int, metrics: Metrics) -> None:
        """Make an engine that is idle until `start`."""
        self.pending = 0
        self._predictor = predictor
        self._decoder = Decoder(predictor, max_pixels)
        self._metrics = metrics
        decoders = min(available_cores(), _MAX_DECODERS)
        self._pools = (
            ThreadPoolExecutor(decoders, "lesionlab-decode"),
            ThreadPoolExecutor(1, "lesionlab-decode-large"),
            ThreadPoolExecutor(predictor.pipeline.threads, "lesionlab-inference"),
        )
        decode, decode_large, self._graph = self._pools
        self._active_runs = _ActiveRuns()
        self._decoding = Batcher(_call, decode, 1)
        self._large_decoding = Batcher(_call, decode_large, 1)
        # Predictions, explanations and lesions are different runs of the graph, on the same threads.
        self._predictions = Batcher(self._predict, self._graph, IMAGES_PER_RUN)
        self._explanations = Batcher(self._explain, self._graph, IMAGES_PER_RUN)
        self._lesions = Batcher(self._predict_lesions, self._graph, 1)
        threads = predictor.pipeline.threads
        self._runs: tuple[tuple[Callable[[], Coroutine[Any, Any, None]], int], ...] = (
            (self._decoding.run, decoders),
            (self._large_decoding.run, 1),
            (self._predictions.run, threads),
            (self._explanations.run, threads),
            (self._lesions.run, threads),
        )
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
        self._workers = tuple(asyncio.create_task(run()) for run, count in self._runs for _ in range(count))

    async def stop(self) -> None:
        """Stop the workers; queued images are dropped."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)

    async def predict(
        self,
        data: bytes,
        patient: Patient = _NO_PATIENT_DATA,
        setting: Setting | None = None,
        *,
        group: Hashable | None = None,
    ) -> Prediction:
        """Predict an image from the bytes of its file.

        Args:
            data: The file.
            patient: Age, sex and site.
            setting: Prevalence and risk rule; None: those of the predictor.
            group: The request or job with several images to which it belongs, whose images take turns with those of
                other requests; None for a request with one image.

        Raises:
            ProblemError: The image cannot be read.
        """
        with self._counted():
            return await self._predictions.submit(await self._prepare(data, patient, setting, group), group)

    async def predict_lesion(
        self,
        dermoscopic: Sequence[bytes],
        clinical: Sequence[bytes],
        patient: Patient = _NO_PATIENT_DATA,
        settings: LesionSettings | None = None,
        *,
        group: Hashable,
    ) -> Prediction:
        """Predict a lesion from the bytes of its image files, which take turns with images of other requests.

        Raises:
            ProblemError: An image cannot be read, or the model does not take images of a type.
        """
        files: dict[ImageType, Sequence[bytes]] = {"dermoscopic": dermoscopic, "clinical": clinical}
        images: dict[ImageType, tuple[PreparedImage, ...]] = {}
        for kind, data in files.items():
            if not data:
                continue
            if kind not in self._predictor.image_types:
                taken = " and ".join(self._predictor.image_types)
                raise ProblemError(ProblemType.WRONG_IMAGE_TYPE, f"this model takes {taken} images, not {kind} ones")
            named = [self._prepare_named(one, f"{kind} image {index}", kind, group) for index, one in enumerate(data)]
            images[kind] = tuple(await asyncio.gather(*named))
        with self._counted():
            return await self._lesions.submit(PreparedLesion("lesion", images, patient, settings), group)

    async def explain(
        self,
        data: bytes,
        diagnosis: str | None,
        patient: Patient = _NO_PATIENT_DATA,
        setting: Setting | None = None,
    ) -> ExplainedPrediction:
        """Predict an image, explain a class (None: the most probable one), and measure the lesion.

        Raises:
            ProblemError: The image cannot be read.
        """
        with self._counted():
            image = await self._prepare(data, patient, setting, None)
            explained = await self._explanations.submit((image, diagnosis))
            # On a decoding thread, so that the measurement does not delay runs of the graph.
            measure = partial(self._predictor.pipeline.measure_lesion, image, explained)
            return cast(ExplainedPrediction, await self._decoding.submit(measure))

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.pending += 1
        try:
            yield
        finally:
            self.pending -= 1

    async def _prepare(
        self,
        data: bytes,
        patient: Patient,
        setting: Setting | None,
        group: Hashable | None,
        pipeline: Pipeline | None = None,
    ) -> PreparedImage:
        try:
            prepared = await self._decoding.submit(partial(self._decoder.prepare_small, data, pipeline), group)
        except LargeImageError:
            prepared = await self._large_decoding.submit(partial(self._decoder.prepare, data, pipeline), group)
        return replace(cast(PreparedImage, prepared), patient=patient, setting=setting)

    async def _prepare_named(self, data: bytes, name: str, kind: ImageType, group: Hashable) -> PreparedImage:
        pipeline = self._predictor.lesions.pipelines[kind]
        try:
            prepared = await self._prepare(data, _NO_PATIENT_DATA, None, group, pipeline)
        except ProblemError as error:
            raise ProblemError(error.kind, f"{name}: {error.detail}", errors=error.errors) from error
        return replace(prepared, name=name)

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

    def _predict_lesions(self, lesions: Sequence[PreparedLesion]) -> Sequence[Prediction]:
        with self._active_runs as concurrent:
            predictions = [self._predictor.lesions.predict(lesion, concurrent=concurrent) for lesion in lesions]
        self._metrics.count_predictions(predictions)
        return predictions

    def _explain(self, batch: Sequence[tuple[PreparedImage, str | None]]) -> Sequence[ExplainedPrediction]:
        images, diagnoses = zip(*batch, strict=True)
        with self._active_runs as concurrent:
            explained = self._predictor.pipeline.explain(images, diagnoses, concurrent=concurrent)
        self._metrics.count_predictions([one.prediction for one in explained])
        return explained


def _call(functions: Sequence[Callable[[], object]]) -> Sequence[object]:
    return [function() for function in functions]
