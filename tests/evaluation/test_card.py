"""The model card: well-formed, marked if leaky, unknown values, escaped names."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import (
    Bundle,
    BundleInfo,
    DecisionRule,
    EvaluationSummary,
    FeatureSpace,
    ImageLimits,
    PatientEffects,
    Reference,
    default_bundle_path,
)
from lesionlab.evaluation.card import render_card
from lesionlab.evaluation.card.markdown import anchor
from lesionlab.recipes import load_recipe, recipe_names
from tests.evaluation.cards import claim, section, tables

KINDS = ("default", "full", "minimal", "leaky", "lesions unknown", "malignant", "melanoma", "hostile names")
# 0.716 (0.663 to 0.768), with an optional leaky mark.
FIGURE = re.compile(r"\d\.\d{3}(?P<leaky> leaky)? \((?:\d\.\d{3} to|no interval)")
HOSTILE = "a|b <script> `x` *y*\n# not a heading"


def changed(bundle: Bundle, *, evaluation: dict[str, object] | None = None, **info: object) -> Bundle:
    """Return a bundle with changes of the description, and of the evaluation if it has one."""
    held = bundle.evaluation
    if held is not None and evaluation:
        held = EvaluationSummary.model_validate(held.model_dump() | evaluation)
    described = BundleInfo.model_validate(bundle.info.model_dump() | info)
    return Bundle(described, bundle.graph, bundle.path, bundle.reference, held)


@pytest.fixture(scope="module")
def full_bundle(tiny_whole_bundle: Path) -> Bundle:
    return Bundle.load(tiny_whole_bundle)


@pytest.fixture(scope="module")
def bundles(full_bundle: Bundle, tiny_bundle: Path, tiny_binary_bundle: Callable[[str], Path]) -> dict[str, Bundle]:
    data = full_bundle.info.training_data.model_dump()
    return {
        "default": Bundle.load(default_bundle_path()),
        "full": full_bundle,
        "minimal": Bundle.load(tiny_bundle),
        "leaky": changed(full_bundle, evaluation={"leaky": True}, training_data=data | {"leaky": True}),
        "lesions unknown": changed(full_bundle, training_data=data | {"lesions_known": False}),
        "malignant": Bundle.load(tiny_binary_bundle("malignant")),
        "melanoma": Bundle.load(tiny_binary_bundle("melanoma")),
        "hostile names": changed(
            full_bundle,
            evaluation={"dataset": HOSTILE},
            licence=HOSTILE,
            created=HOSTILE,
            versions={HOSTILE: HOSTILE, "starting weights": HOSTILE},
            training_data=data | {"sources": (HOSTILE,)},
            recipe=load_recipe("resnet50-binary", [f"model.backbone={json.dumps(HOSTILE)}"]).model_dump(mode="json"),
        ),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_cards_are_well_formed(bundles: dict[str, Bundle], kind: str) -> None:
    card = render_card(bundles[kind])
    first, _, second, *_ = card.splitlines()
    assert first.startswith("# Model card: ")
    assert RESEARCH_ONLY in second
    assert card.count("\n# ") == 0
    assert "<script>" not in re.sub(r"```json.*?```|`[^`]*`", "", card, flags=re.DOTALL)
    found = list(tables(card))
    assert len(found) >= 8
    for table in found:
        assert len(table) >= 3, table
        assert len({len(row) for row in table}) == 1, table
        assert set("".join(table[1])) <= set("-:"), table
    outside_code = re.sub(r"```json.*?```", "", card, flags=re.DOTALL)
    in_words = re.sub(r"None(\.|:)", "", outside_code)
    assert not re.search(r"\b(None|nan|NaN|Undefined)\b", in_words)
    assert "{{" not in card


@pytest.mark.parametrize("kind", KINDS)
def test_links_resolve_to_sections(bundles: dict[str, Bundle], kind: str) -> None:
    card = render_card(bundles[kind])
    headings = {anchor(line.lstrip("# ")) for line in card.splitlines() if line.startswith("##")}
    links = set(re.findall(r"\]\(#([^)]*)\)", card))
    assert {"data", "training", "intended-use", "appendix-a-recipe"} <= links <= headings


def test_figures_equal_those_of_the_bundle(bundles: dict[str, Bundle]) -> None:
    bundle = bundles["default"]
    held = bundle.evaluation
    assert held is not None
    card = render_card(bundle)
    rows = [row for table in tables(section(card, "Results")) for row in table]
    cells = {cell for row in rows for cell in row}
    figures = [
        *held.overall.values(),
        *(figure for of_class in held.per_class.values() for figure in of_class.values()),
    ]
    figures += [row.balanced_accuracy for row in held.subgroups if row.balanced_accuracy is not None]
    figures = [figure for figure in figures if figure.low is not None]
    assert len(figures) > 60
    for figure in figures:
        assert f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})" in cells
    for code, counts in zip(held.classes, held.confusion_matrix, strict=True):
        assert [f"**{code}**", *(f"{count:,}" for count in counts)] in rows
    for row in held.subgroups:
        assert any(found[1:3] == [f"{row.n_images:,}", f"{row.n_lesions:,}"] for found in rows)
    points = next(tables(section(card, "Operating points")))[2:]
    assert [row[0] for row in points] == [p.purpose for p in held.operating_points]
    for shown, point in zip(points, held.operating_points, strict=True):
        assert (shown[1], shown[6]) == (f"{point.threshold:.3f}", f"{point.prevalence:.3f}")
        for cell, name in zip(shown[2:6], ("sensitivity", "specificity", "ppv", "npv"), strict=True):
            low, high = point.intervals.get(name, (None, None))
            limits = "no interval" if low is None else f"{low:.3f} to {high:.3f}"
            assert cell == f"{getattr(point, name):.3f} ({limits})"
    assert bundle.info.training_data.split_sha256 in section(card, "Data")
    assert f"{bundle.info.parameters:,}" in section(card, "Model details")


def test_bundle_without_evaluation(bundles: dict[str, Bundle]) -> None:
    card = render_card(bundles["minimal"])
    results = section(card, "Results")
    assert "The bundle has no evaluation." in results
    assert "0.500 (0.400 to 0.600)" in results  # from bundle.json
    assert "Confusion matrix" not in results
    assert "validation set" in section(card, "Operating points")
    assert claim(card, 32)[1:] == ["Not reported", "The bundle has no evaluation."]
    nothing = render_card(changed(bundles["minimal"], metrics={}, operating_points=()))
    assert "The performance of the model is unknown." in section(nothing, "Results")
    assert "None: the bundle has no thresholds." in section(nothing, "Operating points")


def test_leaky_model_marks_every_figure(bundles: dict[str, Bundle]) -> None:
    card = render_card(bundles["leaky"])
    assert "**LEAKY" in card[: card.index("## Summary")]
    assert "**Split: LEAKY.**" in card
    marks = [bool(found["leaky"]) for found in FIGURE.finditer(card)]
    assert len(marks) > 20
    assert all(marks)
    sensitivity = next(tables(section(card, "Operating points")))[2][2]
    assert " leaky (" in sensitivity
    assert "The lesions were not used" not in card
    not_leaky = render_card(bundles["full"])
    assert "leaky" not in not_leaky.lower()
    assert len(list(FIGURE.finditer(not_leaky))) == len(marks)


def test_evaluation_on_training_data(full_bundle: Bundle) -> None:
    card = render_card(changed(full_bundle, evaluation={"unseen": False}))
    assert "**The model was fitted on these lesions: the figures are too optimistic.**" in card
    assert "The lesions were not used" not in card


@pytest.mark.parametrize(("task", "positive"), [("malignant", "malignant"), ("melanoma", "melanoma")])
def test_card_of_a_binary_task(bundles: dict[str, Bundle], task: str, positive: str) -> None:
    card = render_card(bundles[task])
    assert f"returns the probability that it is {positive}." in section(card, "Summary")
    assert f"95% sensitivity for {'malignancy' if task == 'malignant' else task}" in section(card, "Operating points")
    assert "Two classes of seven diagnoses only." in section(card, "Limits")
    assert "sum over the malignant classes" not in card
    members = {"malignant": "Malignant contains `mel`, `bcc`, `akiec`.", "melanoma": "Melanoma contains `mel`."}
    assert members[task] in card


def test_small_groups_are_marked(full_bundle: Bundle) -> None:
    held = full_bundle.evaluation
    assert held is not None
    sizes = (29, 30)
    rows = [row.model_dump() | {"n_lesions": count} for row, count in zip(held.subgroups, sizes, strict=True)]
    card = render_card(changed(full_bundle, evaluation={"subgroups": rows}))
    female, male = (
        next(row for table in tables(section(card, "Results")) for row in table if row[0] == sex)
        for sex in ("female", "male")
    )
    assert (female[-1], male[-1]) == ("fewer than 30 lesions", "")
    assert male[4] == "not defined"
    limits = section(card, "Limits")
    assert "sex female" in limits
    assert "sex male" not in limits
    assert "class `mel`" in limits  # 10 images
    assert "class `nv`" not in limits  # 40
    assert "**By anatomical site**\n\nUnknown." in card


def test_limits_of_known_datasets(bundles: dict[str, Bundle]) -> None:
    known, unknown = render_card(bundles["default"]), render_card(bundles["full"])
    assert "Mostly light skin," in section(known, "Limits")
    assert "Tschandl" in section(known, "Data")
    assert claim(known, 14)[1] == "Reported"
    assert "Mostly light skin," not in unknown
    assert "skin tones of the training data are unknown" in section(unknown, "Limits")
    assert claim(unknown, 14)[1] == "Not reported"
    lesions = render_card(bundles["lesions unknown"])
    assert "> **Lesions are unknown.**" in lesions
    assert "All images of one lesion are in one subset." not in lesions


def test_inference_in_words(full_bundle: Bundle) -> None:
    plain = section(render_card(full_bundle), "Inference")
    assert "Predicted class: the most probable one." in plain
    assert "Age, sex and site of the lesion are not used." in plain
    classes = len(full_bundle.info.classes)
    rows = tuple([0.1] * classes for _ in range(2))
    effects = PatientEffects.model_validate(
        {
            "ages": (20, 60),
            "age": rows,
            "sex": {"female": rows[0]},
            "site": {},
            "strength": 0.75,
            "images": 200,
            "nll_without": 0.61,
            "nll_with": 0.55,
        }
    )
    fitted = full_bundle.info.calibration.model_copy(
        update={"method": "bias", "offsets": (0.1,) * classes, "nll_by_method": {"temperature": 0.7, "bias": 0.6}}
    )
    decision = DecisionRule(exponent=0.5, weights=tuple(float(number) for number in range(1, classes + 1)))
    richer = changed(
        full_bundle,
        calibration=fitted.model_dump(),
        decision_rule=decision.model_dump(),
        patient_effects=effects.model_dump(),
    )
    text = section(render_card(richer), "Inference")
    assert "with one offset per class (method `bias`, fitted on 200 validation images)" in text
    assert "one temperature: 0.7000; one temperature and one offset per class: 0.6000" in text
    assert "divided by its frequency in the training set to the power of 0.5" in text
    assert "`mel` 1, `nv` 2" in text
    assert "Strength of the shift: 0.75, fitted on 200 validation images" in text
    assert "Predicted class: the most probable one." not in text


def test_training_time_and_estimated_energy(full_bundle: Bundle) -> None:
    on_cpu = {"accelerator": "cpu", "threads": "2"}
    card = render_card(changed(full_bundle, training_time={"seconds": 7200, "earlier_seconds": 5340}, versions=on_cpu))
    assert "Training time 2.0 hours, and 89 minutes for the runs that it started from or was distilled from." in card
    assert "kWh at 12 W for each of 2 cores" in card
    assert "Estimate for the processor: 0.08 kWh" in card
    unknown = render_card(
        changed(full_bundle, training_time={"seconds": 60}, versions=on_cpu | {"accelerator": "cuda"})
    )
    assert "Training time 1 minute; time of the earlier runs unknown." in unknown
    assert "kWh" not in unknown
    assert "The training time is unknown." in render_card(changed(full_bundle, training_time=None))


def test_crop_in_words(full_bundle: Bundle) -> None:
    crop = {"segmentation": "lesion-segmentation@0123", "threshold": 0.5, "margin": 1.3}
    card = render_card(changed(full_bundle, crop=crop))
    assert "with a square crop around the lesion for the classifier" in card
    assert "1.3 times the lesion's diameter" in card
    assert "No crop." not in card
    assert "No crop.\n2. " in render_card(full_bundle)


def test_abstention_and_explanations(full_bundle: Bundle, bundles: dict[str, Bundle]) -> None:
    without = render_card(bundles["minimal"])
    assert "The model never abstains" in section(without, "Abstention")
    assert "the model never abstains" in section(without, "Limits")
    assert "cannot be explained" in section(without, "Explanations")
    assert claim(without, 31)[1] == "Not applicable"
    numbers = [np.array(value, np.float32) for value in (40, 230, 4, 2.5)]
    space = FeatureSpace(mean=np.zeros(8, np.float32), basis=np.zeros((1, 8), np.float32), limit=numbers[3])
    reference = Reference(image=ImageLimits(*numbers[:3]), features=space)
    card = render_card(Bundle(full_bundle.info, full_bundle.graph, full_bundle.path, reference, full_bundle.evaluation))
    text = section(card, "Abstention")
    assert "outside 40 to 230 of 255" in text
    assert "contrast below 4.0" in text
    assert "`ood_score` above 2.5" in text
    assert "cannot be explained" in section(card, "Explanations")
    assert "class activation map" in section(render_card(full_bundle), "Explanations")


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_in_words(full_bundle: Bundle, name: str) -> None:
    recipe = load_recipe(name)
    card = render_card(changed(full_bundle, recipe=recipe.model_dump(mode="json")))
    training = section(card, "Training")
    assert f"{recipe.training.epochs} epochs in batches of {recipe.training.batch_size} images" in training
    assert f"highest learning rate {recipe.optimizer.learning_rate:g}" in training
    assert f"`{recipe.model.backbone}`" in section(card, "Model details")
    assert ("Random." in training) is not recipe.model.pretrained
    assert json.dumps(recipe.model_dump(mode="json"), indent=2, ensure_ascii=False) in card


def test_augmentation_and_loss_in_words(full_bundle: Bundle) -> None:
    changes = ["augmentation.rotation=15", "augmentation.noise=0.05", "augmentation.mixup=0.2", "loss.kind=focal"]
    recipe = load_recipe("phantom-demo", [*changes, "augmentation.flip=false", "training.patience=3"])
    training = section(render_card(changed(full_bundle, recipe=recipe.model_dump(mode="json"))), "Training")
    for words in ("rotation by up to 15 degrees", "up to 5.0% of the range", "mixup, Beta parameter 0.2", "gamma 2"):
        assert words in training
    assert "flips" not in training
    assert "Early stopping after 3 epochs without a better validation" in training
    assert "2 epochs trained." in training
    assert "0.500 (no interval) in epoch 2" in training
    assert "Energy and emissions were not measured." in training


def test_recipe_of_another_version(full_bundle: Bundle) -> None:
    card = render_card(changed(full_bundle, recipe={"name": "from elsewhere", "depth": 3}))
    assert "The recipe is of another version" in section(card, "Training")
    assert '"depth": 3' in section(card, "Appendix A: recipe")
    assert claim(card, 25)[1] == "In part"


def test_checklists_are_complete(full_bundle: Bundle) -> None:
    card = render_card(full_bundle)
    for heading, items in (("Appendix B: CLAIM", 44), ("Appendix C: TRIPOD+AI", 27)):
        text = section(card, heading)
        (table,) = tables(text)
        assert len({row[1] for row in table[2:]}) == len(table[2:]) == items
        assert all(row[3] for row in table[2:] if row[2] != "Not reported")
        (counts,) = re.findall(r"^(?:[A-Z][a-z ]+: \d+\. ?)+$", text, flags=re.MULTILINE)
        assert sum(map(int, re.findall(r"\d+", counts))) == items
