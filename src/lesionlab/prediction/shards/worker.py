"""What a worker does, in a process of this machine or on a node of a cluster: predict a shard."""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.bundle import Patient
from lesionlab.images.files import LeftOut
from lesionlab.prediction.io.writers import parquet_writer
from lesionlab.prediction.predictor import Predictor
from lesionlab.prediction.shards.folder import Counts, ShardResult
from lesionlab.prediction.shards.shard import Piece
from lesionlab.results import Failure
from lesionlab.taxonomy import TASKS

ATTEMPTS: Final = 3  # to predict a shard, each with a new worker
OUT_OF_MEMORY: Final = "memory may be exhausted: use fewer --workers"


@dataclass(frozen=True)
class ShardWorker:
    """Predicts shards. A worker process receives it once, and then loads the model.

    The rows do not depend on the worker: each run of the graph takes the same images, in one thread.

    Attributes:
        predictor: A predictor with one thread.
        folder: Relative locations refer to this folder.
        batch_size: Images per run of the graph.
        patient_of: Returns the patient data of an image; None for no patient data.
        version: Version of lesionlab.
    """

    predictor: Predictor
    folder: str
    batch_size: int
    patient_of: Callable[[str], Patient] | None = None
    version: str = __version__

    def __call__(self, piece: Piece) -> ShardResult:
        """Predict a shard.

        Raises:
            BundleError: The graph fails.
        """
        left_out, predicted, abstained = LeftOut(), 0, 0
        predictions, further, failures = io.BytesIO(), dict[str, str](), list[Failure]()
        images = piece.read(self.folder, left_out)
        with parquet_writer(predictions, TASKS[self.predictor.info.task], further) as write:
            for result in self.predictor.pipeline.predict_many(images, self.batch_size, self.patient_of):
                if isinstance(result, Failure):
                    failures.append(result)
                else:
                    write(result)
                    predicted += 1
                    abstained += result.abstained
            counts = Counts(predicted, abstained, len(failures), left_out.counts.total())
            further |= {"abstained": str(counts.abstained), "left_out": str(counts.left_out)}
        return ShardResult(piece, predictions.getvalue(), _table_of(failures), counts)


def _table_of(failures: list[Failure]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(dict.fromkeys(Failure.model_fields, pa.string()), metadata={"notice": RESEARCH_ONLY})
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([failure.model_dump() for failure in failures], schema=schema), stream)
    return stream.getvalue()


@dataclass(frozen=True)
class WorkerDeath:
    """A shard whose worker ended several times before it was done.

    Attributes:
        piece: The shard, or a part of it.
        reason: The reason, for the images that cause it.
    """

    piece: Piece
    reason: str


class Workers(Protocol):
    """Workers of one machine or of a cluster."""

    def results(self, pieces: Iterable[Piece], *, alone: bool = False) -> Iterator[ShardResult | WorkerDeath]:
        """Yield the results of shards in any order.

        Args:
            pieces: The shards, or parts of them.
            alone: Whether to use one worker only, which then has all the memory.

        Raises:
            LesionlabError: A worker cannot start, or reports an error that does not depend on the image.
        """
        ...
