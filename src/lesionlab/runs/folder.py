"""The run folder: everything that a run knows and leaves behind.

RUN/
recipe.toml                   the recipe as it was run, changes included
run.json                      hashes, environment, state
manifest.csv, split.json      the data, and which part each image is in
log.txt                       what was said while it ran
history.csv                   metrics per epoch
curves.svg                    the same as a figure
checkpoints/last.safetensors  all that is needed to go on
checkpoints/best.safetensors  the weights of the best epoch
checkpoints/start.safetensors the weights that a second stage, or a run with `model.start`, starts from
bundle/                       the model, ready to use
evaluation/PART/              metrics.json, predictions.csv, report.html
"""

import csv
from pathlib import Path

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError

from lesionlab.data import Manifest, Split, load_manifest, load_split
from lesionlab.errors import DataError
from lesionlab.files import write_json, write_text
from lesionlab.recipes import Recipe, load_recipe

HISTORY_COLUMNS = (
    "epoch",
    "train_loss",
    "validation_loss",
    "validation_accuracy",
    "validation_balanced_accuracy",
    "validation_macro_f1",
    "validation_macro_auc",
    "learning_rate",
    "seconds",
)


class RunRecord(BaseModel):
    """The content of `run.json`.

    Attributes:
        recipe_name: Name of the recipe.
        data_root: Folder of the dataset.
        lesions_known: Whether the dataset tells which images show one lesion.
        manifest_sha256: Hash of the manifest.
        split_sha256: Hash of the split.
        fold: Which fold was held out for validation; None without folds.
        leaky: Whether images of one lesion may stand on both sides of the split.
        environment: Versions, device and precision.
        weights: Where the starting weights came from.
        stage: The stage of the training that is under way or was the last.
        epochs_before_stage: Epochs that the stages before it took.
        finished: Whether the last epoch is done.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

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
        """Tell whether a run was begun here."""
        return self.record_file.exists()

    def begin(self, record: RunRecord, recipe: Recipe, manifest: Manifest, split: Split) -> None:
        """Write all that is known before training. `run.json` comes last: where it is, the rest is whole."""
        write_text(self.path / "recipe.toml", tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True)))
        # What an earlier run left here without its `run.json` must not be taken for a checkpoint of this one.
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
        """Read the recipe as it was run."""
        return load_recipe(str(self.path / "recipe.toml"))

    def manifest(self, data_root: Path | None = None) -> Manifest:
        """Read the manifest; `data_root` says where the images are now, if they have moved."""
        record = self.record()
        loaded = load_manifest(self.path / "manifest.csv")
        return Manifest(data_root or Path(record.data_root), loaded.records, record.lesions_known)

    def split(self) -> Split:
        """Read the split."""
        return load_split(self.path / "split.json")

    def read_history(self) -> list[dict[str, float]]:
        """Read the metrics per epoch; empty before the first epoch is done."""
        if not self.history.exists():
            return []
        with self.history.open(encoding="utf-8", newline="") as stream:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]
