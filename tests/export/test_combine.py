"""A dermoscopic and a clinical network in one bundle."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.errors import DataError, UsageError
from lesionlab.export import export_run
from lesionlab.export.combine import combine_bundles, paired_images, subsets_of
from lesionlab.prediction import Predictor
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder
from lesionlab.training import train_recipe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset(phantoms: Manifest) -> Manifest:
    """The phantoms, each as a dermoscopic and as a clinical image."""
    dermoscopic = [replace(record, image_type="dermoscopic") for record in phantoms]
    clinical = [replace(r, image_type="clinical", image_id=f"{r.image_id}-clinical") for r in phantoms]
    return Manifest(phantoms.root, (*dermoscopic, *clinical))


@pytest.fixture(scope="module")
def clinical_run(
    dataset: Manifest, make_recipe: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:
    images = dataset.select(record.image_id for record in dataset if record.image_type == "clinical")
    recipe = make_recipe("data.image_type=clinical", "optimizer.learning_rate=0.01", "seed=5")
    run = train_recipe(recipe, images, tmp_path_factory.mktemp("run") / "clinical")
    export_run(run)
    return run


def test_one_model_takes_one_or_both_images(
    dataset: Manifest, clinical_run: RunFolder, tiny_run: RunFolder, tmp_path: Path
) -> None:
    first, second = Bundle.load(tiny_run.bundle), Bundle.load(clinical_run.bundle)
    assert (first.info.image_types, second.info.image_types) == (("dermoscopic",), ("clinical",))
    subsets = subsets_of(clinical_run.path, second, dataset)
    seen: list[tuple[int, int]] = []
    combine_bundles(first, second, dataset, subsets, tmp_path / "out", progress=lambda *done: seen.append(done))
    bundle = Bundle.load(tmp_path / "out")
    assert bundle.clinical is not None
    assert (bundle.graph, bundle.clinical.graph) == (first.graph, second.graph)
    assert bundle.info.image_types == ("dermoscopic", "clinical")
    fusion = bundle.info.fusion
    assert fusion is not None
    assert fusion.clinical is not None
    assert fusion.clinical.lesions == len(subsets["validation"])
    assert seen[-1] == (2 * fusion.clinical.lesions,) * 2
    # Each of the three cases is calibrated on the same lesions: its mean probabilities are their class frequencies.
    for values in (bundle.info, bundle.clinical.info, fusion.clinical.fitted):
        assert values.calibration.images == fusion.clinical.lesions
    predictor = Predictor.load(bundle)
    image = dataset.location(dataset.records[0])
    cases = [
        predictor.predict_lesion([image]),
        predictor.predict_lesion(clinical=[image]),
        predictor.predict_lesion([image], [image]),
    ]
    assert len({round(next(iter(found.probabilities.values())), 6) for found in cases}) == 3
    assert {found.model for found in cases} == {bundle.info.identity}


def test_the_split_of_a_bundle_is_recovered(dataset: Manifest, clinical_run: RunFolder) -> None:
    bundle = Bundle.load(clinical_run.bundle)
    assert subsets_of(clinical_run.bundle, bundle, dataset) == subsets_of(clinical_run.path, bundle, dataset)
    others = dataset.select(record.image_id for record in dataset if record.image_type == "dermoscopic")
    with pytest.raises(UsageError, match="was not trained on"):
        subsets_of(clinical_run.bundle, bundle, others)


def test_models_that_do_not_fit_together(
    dataset: Manifest, clinical_run: RunFolder, tiny_run: RunFolder, tmp_path: Path
) -> None:
    first, second = Bundle.load(tiny_run.bundle), Bundle.load(clinical_run.bundle)
    subsets = subsets_of(clinical_run.path, second, dataset)
    with pytest.raises(UsageError, match="takes dermoscopic images, and a model for clinical ones"):
        combine_bundles(first, first, dataset, subsets, tmp_path / "out")
    swapped = {**subsets, "validation": subsets["train"]}
    with pytest.raises(UsageError, match=r"was trained on .* validation lesions"):
        combine_bundles(first, second, dataset, swapped, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pairs_are_lesions_with_both_images(dataset: Manifest) -> None:
    lesions = {record.lesion_id for record in dataset}
    found = paired_images(dataset, lesions, "diagnosis")
    names = [[record.image_id for record in images] for images in found.values()]
    assert names[0] == names[1] == sorted(lesions)
    assert {record.image_type for record in found["clinical"]} == {"clinical"}
    one = next(iter(sorted(lesions)))
    without = dataset.select(r.image_id for r in dataset if r.lesion_id != one or r.image_type != "clinical")
    assert len(paired_images(without, lesions, "diagnosis")["dermoscopic"]) == len(lesions) - 1
    with pytest.raises(DataError, match="no lesion of the subset has"):
        paired_images(without, {one}, "diagnosis")
    diagnoses = [[record.diagnosis for record in images] for images in found.values()]
    assert diagnoses[0] == diagnoses[1]
