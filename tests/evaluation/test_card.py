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
from lesionlab.evaluation.card import render_appendix, render_card
from lesionlab.evaluation.card.markdown import anchor
from lesionlab.recipes import load_recipe, recipe_names
from tests.evaluation.cards import claim, section, tables

KINDS = ("default", "full", "minimal", "leaky", "lesions unknown", "malignant", "melanoma", "eleven", "hostile names")
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
def bundles(
    full_bundle: Bundle,
    tiny_bundle: Path,
    tiny_binary_bundle: Callable[[str], Path],
    tiny_bundle_of_eleven: Path,
) -> dict[str, Bundle]:
    data = full_bundle.info.training_data.model_dump()
    return {
        "default": Bundle.load(default_bundle_path()),
        "full": full_bundle,
        "minimal": Bundle.load(tiny_bundle),
        "leaky": changed(full_bundle, evaluation={"leaky": True}, training_data=data | {"leaky": True}),
        "lesions unknown": changed(full_bundle, training_data=data | {"lesions_known": False}),
        "malignant": Bundle.load(tiny_binary_bundle("malignant")),
        "melanoma": Bundle.load(tiny_binary_bundle("melanoma")),
        "eleven": Bundle.load(tiny_bundle_of_eleven),
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
@pytest.mark.parametrize("render", [render_card, render_appendix])
def test_documents_are_well_formed(bundles: dict[str, Bundle], render: Callable[[Bundle], str], kind: str) -> None:
    card = render(bundles[kind])
    first, _, second, *_ = card.splitlines()
    assert first.startswith("# Model card: " if render is render_card else "# Appendix of the model card: ")
    assert RESEARCH_ONLY in second
    assert card.count("\n# ") == 0
    assert "<script>" not in re.sub(r"```json.*?```|`[^`]*`", "", card, flags=re.DOTALL)
    found = list(tables(card))
    assert len(found) >= 4
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
    assert links <= headings


def test_the_card_is_short(bundles: dict[str, Bundle]) -> None:
    words = [word for word in render_card(bundles["default"]).split() if re.search(r"\w", word)]
    assert len(words) < 2500


def test_figures_equal_those_of_the_bundle(bundles: dict[str, Bundle]) -> None:
    bundle = bundles["default"]
    held = bundle.evaluation
    assert held is not None
    card, appendix = render_card(bundle), render_appendix(bundle)
    rows = [row for table in tables(appendix[: appendix.index("## Inference parameters")]) for row in table]
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
        lesions = f"{row.n_lesions:,}" + (" (few)" if row.n_lesions < 30 else "")
        assert any(found[1:3] == [f"{row.n_images:,}", lesions] for found in rows)
    points = next(tables(section(card, "Operating points")))[2:]
    assert [row[0] for row in points] == [p.purpose for p in held.operating_points]
    for shown, point in zip(points, held.operating_points, strict=True):
        assert (shown[1], shown[6]) == (f"{point.threshold:.3f}", f"{point.prevalence:.3f}")
        for cell, name in zip(shown[2:6], ("sensitivity", "specificity", "ppv", "npv"), strict=True):
            low, high = point.intervals.get(name, (None, None))
            limits = "no interval" if low is None else f"{low:.3f} to {high:.3f}"
            assert cell == f"{getattr(point, name):.3f} ({limits})"
    reproduce = section(card, "Reproduce and cite")
    assert str(bundle.info.training_data.split_sha256) in reproduce
    assert f"{bundle.info.parameters:,}" in reproduce
    in_card = {cell for table in tables(section(card, "Results")) for row in table for cell in row}
    assert {cell for cell in in_card if FIGURE.search(cell)} <= cells


def test_bundle_without_evaluation(bundles: dict[str, Bundle]) -> None:
    card = render_card(bundles["minimal"])
    results = section(card, "Results")
    assert "The bundle has no evaluation." in results
    assert "0.500 (0.400 to 0.600)" in results  # from bundle.json
    assert "Confusion matrix" not in results
    assert "validation set" in section(card, "Operating points")
    assert claim(render_appendix(bundles["minimal"]), 32)[1:] == ["Not reported", "The bundle has no evaluation."]
    nothing = render_card(changed(bundles["minimal"], metrics={}, operating_points=()))
    assert "The performance of the model is unknown." in section(nothing, "Results")
    assert "None: the bundle has no thresholds." in section(nothing, "Operating points")


def test_leaky_model_marks_every_figure(bundles: dict[str, Bundle]) -> None:
    card = render_card(bundles["leaky"])
    assert "**LEAKY" in card[: card.index("## Summary")]
    assert "**Split: LEAKY.**" in card
    both = card + render_appendix(bundles["leaky"])
    marks = [bool(found["leaky"]) for found in FIGURE.finditer(both)]
    assert len(marks) > 20
    assert all(marks)
    sensitivity = next(tables(section(card, "Operating points")))[2][2]
    assert " leaky (" in sensitivity
    assert "The lesions were not used" not in card
    not_leaky = render_card(bundles["full"]) + render_appendix(bundles["full"])
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
    assert "Two classes of diagnoses only. Other lesions are assigned to one of the two" in section(card, "Limits")
    assert "sum over the malignant classes" not in card
    members = {
        "malignant": "Malignant contains `mel`, `bcc`, `akiec`, `scc`, `mal_oth`",
        "melanoma": "Melanoma contains `mel`",
    }
    assert f"{members[task]}, as far as the training data have them." in card


def test_card_of_eleven_diagnoses(bundles: dict[str, Bundle]) -> None:
    card = render_card(bundles["eleven"])
    assert "returns the probability of each of eleven diagnoses and of\nmalignancy." in section(card, "Summary")
    assert "Eleven diagnoses only. Other lesions are assigned to one of the eleven" in section(card, "Limits")
    assert "| Squamous cell carcinoma / keratoacanthoma | `scc` | yes | 10 | 10 |" in section(card, "Data")


def test_figures_by_source_stand_beside_the_pooled_ones(full_bundle: Bundle) -> None:
    card = render_card(full_bundle)
    summary = section(card, "Summary")
    warning = "AUC for malignancy: 0.900 (0.850 to 0.950) over all images, 0.750 (0.700 to 0.800) between images of one"
    assert "**The pooled figures do not hold within one source of images.**" in summary[: summary.index("- Balanced")]
    assert warning in summary
    sources, confirmed = list(tables(section(card, "Results")))[:2]
    some = "0.500 (0.400 to 0.600)"
    assert sources[0][:4] == ["source", "images", "lesions", "malignant"]
    assert sources[2] == ["clinic A", "60", "30", "5", some, some, some, "not defined"]
    assert [row[0] for row in confirmed[2:]] == ["histopathology", "follow-up"]
    (within,) = tables(section(render_appendix(full_bundle), "AUC within source"))
    assert within[2][:3] == ["malignancy", "0.900 (0.850 to 0.950)", "0.750 (0.700 to 0.800)"]
    assert "clinic B" in section(render_appendix(full_bundle), "All thresholds by source and confirmation")


def test_nothing_by_source_without_sources(full_bundle: Bundle) -> None:
    bundle = changed(full_bundle, evaluation={"by_source": (), "by_confirmation": (), "within_source_auc": ()})
    for text in (render_card(bundle), render_appendix(bundle)):
        assert "one source" not in text
        assert "By source" not in text


def test_equal_figures_within_source_give_no_warning(full_bundle: Bundle) -> None:
    held = full_bundle.evaluation
    assert held is not None
    equal = [
        row.model_dump() | {"difference": {"value": 0, "low": -0.1, "high": 0.1}} for row in held.within_source_auc
    ]
    card = render_card(changed(full_bundle, evaluation={"within_source_auc": equal}))
    assert "do not hold within one source" not in card
    assert "0.750 (0.700 to 0.800) between images of one source" in section(card, "Results")


def test_small_groups_are_marked(full_bundle: Bundle) -> None:
    held = full_bundle.evaluation
    assert held is not None
    sizes = (29, 30)
    rows = [row.model_dump() | {"n_lesions": count} for row, count in zip(held.subgroups, sizes, strict=True)]
    bundle = changed(full_bundle, evaluation={"subgroups": rows})
    card = render_card(bundle)
    (table,) = tables(section(render_appendix(bundle), "All subgroups"))
    female, male = table[2:]
    assert (female[0], female[2], male[0], male[2]) == ("sex female", "29 (few)", "sex male", "30")
    assert male[4] == "not defined"
    results = section(card, "Results")
    assert "sex male" in results
    assert "sex female" not in results
    limits = section(card, "Limits")
    assert "sex female" in limits
    assert "sex male" not in limits
    assert "class `mel`" in limits  # 10 images
    assert "class `nv`" not in limits  # 40


def test_limits_of_known_datasets(bundles: dict[str, Bundle]) -> None:
    known, unknown = render_card(bundles["default"]), render_card(bundles["full"])
    known_items, unknown_items = render_appendix(bundles["default"]), render_appendix(bundles["full"])
    assert "Mostly light skin," in section(known, "Limits")
    assert "the source alone predicts malignancy" in section(known, "Limits")
    assert "Tschandl" in section(known, "Reproduce and cite")
    assert claim(known_items, 14)[1] == "Reported"
    assert "Mostly light skin," not in unknown
    assert "skin tones of the training data are unknown" in section(unknown, "Limits")
    assert claim(unknown_items, 14)[1] == "Not reported"
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
    card = render_card(richer)
    calibration = section(card, "Calibration")
    assert "with one offset per class (method `bias`, fitted on 200 validation images)" in calibration
    text = section(card, "Inference")
    assert "divided by its frequency in the training set to the power of 0.5" in text
    assert "All other figures of this card are from the image alone." in text
    parameters = section(render_appendix(richer), "Inference parameters")
    assert "`temperature` 0.7000, `bias` 0.6000" in parameters
    assert "`mel` 1, `nv` 2" in parameters
    assert "Strength of the shift by age, sex and site: 0.75, fitted on 200 validation images" in parameters
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
    assert "1.3 times the lesion's diameter" in card
    assert "No crop." not in card
    assert "No crop.\n2. " in render_card(full_bundle)


def test_abstention_and_explanations(full_bundle: Bundle, bundles: dict[str, Bundle]) -> None:
    without = render_card(bundles["minimal"])
    assert "The model never abstains" in section(without, "Inference")
    assert "the model never abstains" in section(without, "Limits")
    assert "cannot be explained" in section(without, "Explanations")
    assert claim(render_appendix(bundles["minimal"]), 31)[1] == "Not applicable"
    numbers = [np.array(value, np.float32) for value in (40, 230, 4, 2.5)]
    space = FeatureSpace(mean=np.zeros(8, np.float32), basis=np.zeros((1, 8), np.float32), limit=numbers[3])
    reference = Reference(image=ImageLimits(*numbers[:3]), features=space)
    card = render_card(Bundle(full_bundle.info, full_bundle.graph, full_bundle.path, reference, full_bundle.evaluation))
    text = section(card, "Inference")
    assert "outside 40 to 230 of 255" in text
    assert "contrast below 4.0" in text
    assert "`ood_score` above 2.5" in text
    assert "cannot be explained" in section(card, "Explanations")
    assert "class activation map" in section(render_card(full_bundle), "Explanations")


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_in_words(full_bundle: Bundle, name: str) -> None:
    recipe = load_recipe(name)
    bundle = changed(full_bundle, recipe=recipe.model_dump(mode="json"))
    training = section(render_card(bundle), "Training")
    assert f"{recipe.training.epochs} epochs in batches of {recipe.training.batch_size} images" in training
    assert f"highest learning rate of {recipe.optimizer.learning_rate:g}" in training
    assert f"`{recipe.model.backbone}`" in training
    assert ("Starting weights: random" in training) is not recipe.model.pretrained
    assert json.dumps(recipe.model_dump(mode="json"), indent=2, ensure_ascii=False) in render_appendix(bundle)


def test_training_in_words(full_bundle: Bundle) -> None:
    recipe = load_recipe("phantom-demo", ["loss.kind=focal", "training.patience=3"])
    training = section(render_card(changed(full_bundle, recipe=recipe.model_dump(mode="json"))), "Training")
    assert "focal loss, gamma 2, " in training
    assert "At most " in training
    assert "2 epochs trained." in training
    assert "Energy and emissions were not measured." in training


def test_recipe_of_another_version(full_bundle: Bundle) -> None:
    bundle = changed(full_bundle, recipe={"name": "from elsewhere", "depth": 3})
    appendix = render_appendix(bundle)
    assert "The recipe is of another version" in section(render_card(bundle), "Training")
    assert '"depth": 3' in section(appendix, "Recipe")
    assert claim(appendix, 25)[1] == "In part"


@pytest.mark.parametrize("kind", KINDS)
def test_checklists_are_complete(bundles: dict[str, Bundle], kind: str) -> None:
    card, appendix = render_card(bundles[kind]), render_appendix(bundles[kind])
    for heading, items in (("CLAIM", 44), ("STARD-AI", 48), ("TRIPOD+AI", 27)):
        text = section(appendix, heading)
        (table,) = tables(text)
        assert len({row[1] for row in table[2:]}) == len({row[0] for row in table[2:]}) == len(table[2:]) == items
        assert all(row[3] for row in table[2:] if row[2] != "Not reported")
        for _, _, status, where in table[2:]:
            named = where.split(". ")[0].split(", ") if status in {"Reported", "In part"} else []
            for name in named:
                if name.startswith("A: "):
                    assert section(appendix, name.removeprefix("A: ")), where
                elif status == "Reported":
                    assert section(card, name), where
        (counts,) = re.findall(r"^(?:[A-Z][a-z ]+: \d+\. ?)+$", text, flags=re.MULTILINE)
        assert sum(map(int, re.findall(r"\d+", counts))) == items
