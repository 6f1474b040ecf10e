"""`lesionlab predict --resume` and `--ray`: prediction in shards."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lesionlab.bundle import Patient
from lesionlab.cli.console import err, note, note_left_out, progress_bar, resumable, warn
from lesionlab.cli.prediction_view import abstention_line, print_footer
from lesionlab.cpu import available_cores
from lesionlab.files import sha256_of_json
from lesionlab.images.files import LeftOut
from lesionlab.images.remote import is_remote
from lesionlab.prediction import Predictor
from lesionlab.prediction.inference.preprocessing import name_of
from lesionlab.prediction.io.writers import require_pyarrow
from lesionlab.prediction.shards.folder import FAILURES, Counts, Request, RunFolder
from lesionlab.prediction.shards.plan import plan_shards
from lesionlab.prediction.shards.run import predict_missing
from lesionlab.prediction.shards.shard import Shard
from lesionlab.prediction.shards.worker import ShardWorker, Workers
from lesionlab.ray_cluster import ray_cluster


@dataclass(frozen=True)
class ShardedPrediction:
    """What to predict in shards, and where.

    Attributes:
        images: The arguments that name the images.
        out: The folder of the run.
        batch_size: Images per run of the graph.
        shard_size: Images per shard.
        options: Further options that the results depend on.
        patient_of: Returns the patient data of an image; None for no patient data.
        ray: Address of a Ray cluster; None for processes of this machine.
        workers: Number of workers; None for the default.
        gpus: GPUs of a worker on a cluster.
        retry_failed: Whether to predict shards with failures again.
    """

    images: Sequence[str]
    out: Path
    batch_size: int
    shard_size: int
    options: dict[str, str]
    patient_of: Callable[[str], Patient] | None
    ray: str | None
    workers: int | None
    gpus: int
    retry_failed: bool

    def __call__(self, predictor: Predictor) -> Counts:
        """Predict the shards that are missing, and print a summary.

        Args:
            predictor: A predictor with one thread.
        """
        require_pyarrow("--ray" if self.ray else "--resume")
        left_out = LeftOut()
        with RunFolder.opened(self.out, self._request(predictor), self._shards(left_out)) as run:
            note_left_out(left_out)
            worker = ShardWorker(predictor, run.description.folder, self.batch_size, self.patient_of)
            with (
                resumable("start the same command again"),
                self._workers(worker) as workers,
                progress_bar("predicting") as update,
            ):
                images, shards = run.description.images, run.description.shards

                def progress(counts: Counts, complete: int) -> None:
                    update(*((complete, shards) if images is None else (counts.images, images)))

                counts = predict_missing(run, workers, progress, retry_failed=self.retry_failed)
        _summarise(counts, self.out)
        print_footer(err(), predictor.info, predictor.risk_rule)
        return counts

    def _request(self, predictor: Predictor) -> Request:
        places = (argument if is_remote(argument) else os.path.abspath(argument) for argument in self.images)
        return Request(
            images=tuple(name_of(place, 0) for place in places),
            model=predictor.info.identity,
            bundle_sha256=sha256_of_json(predictor.bundle.info.model_dump(mode="json")),
            options=self.options | {"risk": predictor.risk_rule, "batch_size": str(self.batch_size)},
            shard_size=self.shard_size,
        )

    def _shards(self, left_out: LeftOut) -> Iterator[Shard]:
        # Whole batches: their images then run together as they do without shards, with the same last digits.
        size = -(-self.shard_size // self.batch_size) * self.batch_size
        return plan_shards(self.images, size, left_out)

    @contextmanager
    def _workers(self, worker: ShardWorker) -> Iterator[Workers]:
        if self.ray is None:
            from lesionlab.prediction.shards.processes import Processes

            yield Processes(worker, self.workers or (1 if self.gpus else available_cores()))
            return
        from lesionlab.prediction.shards.ray_data import RayWorkers

        with ray_cluster(self.ray):
            yield RayWorkers(worker, self.workers, self.gpus)


def _summarise(counts: Counts, out: Path) -> None:
    if counts.left_out:
        note(f"left out of tar archives: {counts.left_out:,} files that are no images")
    if counts.abstained:
        note(abstention_line(counts.abstained))
    note(f"{counts.images:,} images: {counts.predicted:,} predicted, {counts.failed:,} failed; written to {out}")
    if counts.failed:
        warn(f"{counts.failed} of {counts.images} images could not be predicted; {out / FAILURES} has the reasons")
