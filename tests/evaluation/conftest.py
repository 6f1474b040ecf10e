"""Simulated evaluated subsets, and the context of their report."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from lesionlab.bundle import BundleInfo
from lesionlab.data.manifest import ImageRecord
from lesionlab.evaluation.report import ReportContext
from lesionlab.evaluation.results import EvaluatedSubset, measure
from lesionlab.taxonomy import CODES, DIAGNOSIS, TASKS, Task

MakeSubset = Callable[..., EvaluatedSubset]
MakeContext = Callable[..., ReportContext]


@pytest.fixture(scope="session")
def make_subset(tmp_path_factory: pytest.TempPathFactory) -> MakeSubset:
    """Return a function that creates an evaluated subset of diagnoses, given by their index in `CODES`."""
    folder = tmp_path_factory.mktemp("images")

    def make(
        labels: list[int] | np.ndarray,
        *,
        skill: float = 2.0,
        ids: list[str] | None = None,
        dx_types: list[str | None] | None = None,
        resamples: int = 100,
        task: Task = DIAGNOSIS,
    ) -> EvaluatedSubset:
        diagnoses = [CODES[label] for label in labels]
        labels = np.array([task.index(diagnosis) for diagnosis in diagnoses])
        count = len(labels)
        generator = np.random.default_rng(count)
        logits = generator.normal(0, 1, (count, len(task.classes)))
        logits[np.arange(count), labels] += skill
        powers = np.exp(logits)
        path = folder / f"{count}.jpg"
        Image.fromarray(generator.integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(path)
        names = ids or [f"ISIC_{number:07d}" for number in range(count)]
        types = dx_types or [("histo", "follow_up", None)[number % 3] for number in range(count)]
        records = tuple(
            ImageRecord(name, path.name, f"HAM_{number // 2}", diagnosis, dx_type=dx_type)
            for number, (name, diagnosis, dx_type) in enumerate(zip(names, diagnoses, types, strict=True))
        )
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        lesions = [record.lesion_id for record in records]
        summary = measure(labels, probabilities, lesions, task, resamples=resamples)
        predicted = probabilities.argmax(axis=1)
        return EvaluatedSubset(records, labels, probabilities, (str(path),) * count, predicted, summary, task)

    return make


@pytest.fixture(scope="session")
def make_context(tiny_info: BundleInfo) -> MakeContext:
    """Return a function that creates the context of a report; its fields can be given."""

    def make(
        *, leaky: bool = False, name: str = "small-network", task: str = "diagnosis", **fields: object
    ) -> ReportContext:
        data = tiny_info.training_data.model_copy(update={"leaky": leaky})
        target = next(iter(TASKS[task].targets))
        points = tuple(
            tiny_info.operating_points[0].model_copy(
                update={"target_sensitivity": sensitivity, "threshold": threshold, "target": target}
            )
            for sensitivity, threshold in ((0.9, 0.3), (0.95, 0.2))
        )
        changes = {"name": name, "training_data": data, "operating_points": points}
        bundle = tiny_info.model_copy(update=changes | {"task": task, "classes": TASKS[task].classes})
        given = {"title": "A small network", "dataset": "HAM10000", "subset": "test set, split by lesion"} | fields
        return ReportContext(bundle=bundle, **given)  # type: ignore[arg-type] # the fields are given by the tests

    return make


@pytest.fixture(scope="session")
def history() -> list[dict[str, float | None]]:
    """Return three epochs, the second the best."""
    accuracies = (0.4, 0.7, 0.6)
    return [
        {
            "epoch": epoch,
            "train_loss": 1 / epoch,
            "validation_loss": 1.2 / epoch,
            "validation_balanced_accuracy": accuracy,
            "validation_macro_auc": None if epoch == 1 else 0.9,
            "learning_rate": 1e-3,
        }
        for epoch, accuracy in enumerate(accuracies, start=1)
    ]
