"""The run folder.

RUN/
recipe.toml                   the recipe, with changed settings
run.json                      hashes, environment, state
manifest.csv, split.json      the data and its split
log.txt                       log messages
history.csv                   metrics per epoch
curves.svg                    the same as a figure
checkpoints/last.safetensors  the checkpoint to resume from
checkpoints/best.safetensors  the weights of the best epoch
checkpoints/start.safetensors the starting weights of a second stage or of a run with `model.start`
bundle/                       the exported model
evaluation/SUBSET/            metrics.json, predictions.csv, report.html
"""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tomli_w
from pydantic import ValidationError

from lesionlab.base_models import StrictModel
from lesionlab.data import Manifest, Split, load_manifest, load_split
from lesionlab.errors import DataError
from lesionlab.files import cannot_write, remove_leftovers, try_lock, write_json, write_text
from lesionlab.recipes import Recipe, load_recipe

HISTORY_COLUMNS = (
    "epoch",
    "train_loss",
    "validation_loss",
    "validation_accuracy",
    "validation_balanced_accuracy",
    "validation_macro_f1",
    "validation_macro_auc",
    "validation_within_source_auc",
    "validation_histology_auc",
    "learning_rate",
    "seconds",
)


class RunRecord(StrictModel):
    """The content of `run.json`.

    Attributes:
        recipe_name: Name of the recipe.
        data_root: Folder of the dataset.
        lesions_known: Whether the dataset has lesion ids.
        manifest_sha256: Hash of the manifest.
        split_sha256: Hash of the split.
        fold: The fold for validation; None without folds.
        leaky: Whether lesions may be shared between training and test.
        environment: Versions, device and precision.
        weights: Source of the starting weights.
        stage: The current or last stage of the training.
        epochs_before_stage: Number of epochs in earlier stages.
        finished: Whether training is finished.
    """

    recipe_name: str
    data_root: str
    lesions_known: bool
    manifest_sha256: str
    split_sha256: str
    fold: int | None = None
    leaky: bool
    environment: dict[str, str]
    weights: str = "random"
    stage: int = 1
    epochs_before_stage: int = 0
    finished: bool = False


class RunFolder:
    """Paths and contents of a run.

    Args:
        path: The folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record_file = path / "run.json"
        self.log = path / "log.txt"
        self.history = path / "history.csv"
        self.curves = path / "curves.svg"
        self.last = path / "checkpoints" / "last.safetensors"
        self.best = path / "checkpoints" / "best.safetensors"
        self.start = path / "checkpoints" / "start.safetensors"
        self.bundle = path / "bundle"
        self.evaluation = path / "evaluation"

    def exists(self) -> bool:
        """Return whether the folder holds a run."""
        return self.record_file.exists()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing to the run, and remove what a killed one has left half-written.

        Raises:
            DataError: Another process is working on the run.
            LesionlabError: The folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            stream = self.log.open("ab")
        except OSError as error:
            raise cannot_write(self.log, error) from error
        with stream:
            if not try_lock(stream):
                raise DataError(f"{self.path}: another process is working on this run; wait for its end")
            remove_leftovers(self.path)
            yield

    def begin(self, record: RunRecord, recipe: Recipe, manifest: Manifest, split: Split) -> None:
        """Write the files known before training; `run.json` last, so that its presence means a complete folder."""
        write_text(self.path / "recipe.toml", tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True)))
        # A checkpoint of an earlier run whose `run.json` was removed must not be resumed from.
        self.last.unlink(missing_ok=True)
        manifest.save(self.path / "manifest.csv")
        split.save(self.path / "split.json")
        self.save_record(record)

    def save_record(self, record: RunRecord) -> None:
        """Write `run.json`."""
        write_json(self.record_file, record.model_dump(mode="json"))

    def record(self) -> RunRecord:
        """Read `run.json`.

        Raises:
            DataError: This is not a run folder, or the file is damaged.
        """
        try:
            return RunRecord.model_validate_json(self.record_file.read_bytes())
        except FileNotFoundError as error:
            raise DataError(f"{self.path} is not a run folder (no run.json); `lesionlab train` makes one") from error
        except (OSError, ValidationError) as error:
            raise DataError(f"{self.record_file} is damaged; train the run again") from error

    def recipe(self) -> Recipe:
        """Read the recipe."""
        return load_recipe(str(self.path / "recipe.toml"))

    def manifest(self, data_root: Path | None = None) -> Manifest:
        """Read the manifest; `data_root` is the folder of the images if they have been moved."""
        record = self.record()
        loaded = load_manifest(self.path / "manifest.csv")
        return Manifest(data_root or Path(record.data_root), loaded.records, record.lesions_known)

    def split(self) -> Split:
        """Read the split."""
        return load_split(self.path / "split.json")

    def read_history(self) -> list[dict[str, float]]:
        """Read the metrics per epoch; empty before the end of the first epoch."""
        if not self.history.exists():
            return []
        with self.history.open(encoding="utf-8", newline="") as stream:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]
