"""The report: well-formed, self-contained, marked if leaky, with escaped names."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import PredictionSets
from lesionlab.evaluation.groups import measure_groups
from lesionlab.evaluation.report import ReportContext, render_report
from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.evaluation.uncertainty import measure_uncertainty
from lesionlab.taxonomy import CODES, TASKS

MakeSubset = Callable[..., EvaluatedSubset]
MakeContext = Callable[..., ReportContext]

ALL_CLASSES = np.arange(70) % 7
VOID = {"meta", "link", "img", "br", "input", "hr"}


class Page(HTMLParser):
    """A parsed page: nesting, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.badly_nested: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.headings: list[int] = []
        self.cells: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "td":
            self.cells.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.badly_nested.append(tag)

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
        if "td" in self.open:
            self.cells[-1] += data

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


@pytest.fixture(scope="module")
def report_page(make_subset: MakeSubset, make_context: MakeContext, history: list[dict[str, float | None]]) -> str:
    """The report of a bundle that is not leaky, with 70 images."""
    context = make_context(history=history, environment={"device": "CPU"}, times_test_was_read=2)
    return render_report(make_subset(ALL_CLASSES), context)


def test_page_is_well_formed_and_self_contained(report_page: str) -> None:
    html = report_page
    page = Page(html)
    assert page.badly_nested == []
    assert page.open == []
    references = [value for name in ("src", "href", "srcset", "action", "data") for value in page.values(name)]
    assert references
    assert [value for value in references if not value.startswith(("data:", "#"))] == []
    assert [url for url in re.findall(r"url\(([^)]*)\)", html) if not url.startswith("#")] == []
    assert "http://" not in html
    assert "https://" not in html
    assert "@import" not in html
    assert "<script" not in html


def test_ids_are_unique_and_internal_links_resolve(report_page: str) -> None:
    page = Page(report_page)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    targets = {value[1:] for value in page.values("href") if value.startswith("#")}
    targets |= {url[1:] for url in re.findall(r"url\(([^)]*)\)", report_page)}
    assert targets
    assert targets <= set(ids)


def test_page_is_accessible(report_page: str) -> None:
    page = Page(report_page)
    assert page.headings.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in zip(page.headings, page.headings[1:], strict=False))
    figures = [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-label"]
    assert len(figures) == len([1 for tag, name, _ in page.attributes if tag == "svg" and name == "viewbox"])
    assert all(figures)
    assert len(page.values("alt")) == len(page.values("src"))
    assert all(scope in ("row", "col", "colgroup") for scope in page.values("scope"))


def test_summary_and_tiles_state_values_with_intervals(report_page: str, make_subset: MakeSubset) -> None:
    evaluated = make_subset(ALL_CLASSES)
    text = " ".join(Page(report_page).text.split())
    recall, specificity = (evaluated.summary.overall[f"malignant_{name}"] for name in ("recall", "specificity"))
    assert f"Malignancy: sensitivity {recall.value:.3f} ({recall.low:.3f} to {recall.high:.3f})" in text
    assert f"specificity {specificity.value:.3f} ({specificity.low:.3f} to {specificity.high:.3f})" in text
    assert "70 images of 35 lesions, not used in training" in text
    assert "has been evaluated 2 times" in text
    for name in ("balanced_accuracy", "macro_auc", "malignant_auc", "ece"):
        metric = evaluated.summary.overall[name]
        assert f"{metric.value:.3f} 95% interval {metric.low:.3f} to {metric.high:.3f}" in text
    assert text.startswith(f"A small network {RESEARCH_ONLY}")


def test_calibration_of_the_targets_is_stated_with_intervals(report_page: str, make_subset: MakeSubset) -> None:
    evaluated = make_subset(ALL_CLASSES)
    page = Page(report_page)
    for target in ("malignant", "melanoma"):
        ece, large = (evaluated.summary.overall[f"{target}_{name}"] for name in ("ece", "calibration_in_the_large"))
        for metric in (ece, large):
            assert f"{metric.value:.3f} {metric.low:.3f} to {metric.high:.3f}" in page.cells
        assert f"Reliability of P({target})" in page.text


@pytest.mark.slow
def test_leaky_bundle_marks_every_number(make_subset: MakeSubset, make_context: MakeContext) -> None:
    evaluated = make_subset(ALL_CLASSES)
    page = Page(render_report(evaluated, make_context(leaky=True)))
    text = " ".join(page.text.split())
    assert "Leaky: the figures are too optimistic" in text
    assert "not used in training" not in text
    # Metrics have three decimals, shares a percent sign. Thresholds are not marked.
    numbers = [cell for cell in page.cells if re.search(r"\d\.\d{3}|%", cell)]
    unmarked = [cell for cell in numbers if "leaky" not in cell]
    assert len(numbers) > 60
    assert unmarked == ["0.300", "0.200"]
    labels = [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-label"]
    assert all("leaky" in label for label in labels)


@pytest.mark.slow
def test_figures_of_seen_images_are_marked(make_subset: MakeSubset, make_context: MakeContext) -> None:
    page = Page(render_report(make_subset(ALL_CLASSES), make_context(unseen=False)))
    labels = [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-label"]
    of_these_images = [label for label in labels if not label.startswith("Training and validation loss")]
    assert of_these_images
    assert all(" seen" in label or "(seen)" in label for label in of_these_images)


def test_page_of_a_split_by_lesion_has_no_leaky_mark(report_page: str) -> None:
    assert "leaky" not in Page(report_page).text.lower()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "sentence"),
    [("lesions_known", "Lesions are unknown."), ("unseen", "The model was fitted to these images")],
)
def test_limitations_of_the_figures_are_stated(
    report_page: str, make_subset: MakeSubset, make_context: MakeContext, field: str, sentence: str
) -> None:
    assert sentence in Page(render_report(make_subset([0, 1]), make_context(**{field: False}))).text
    assert sentence not in Page(report_page).text


def test_names_are_escaped(make_subset: MakeSubset, make_context: MakeContext) -> None:
    hostile = "\"><script>alert('1')</script>&amp;{{ 7 * 7 }}"
    evaluated = make_subset([0], skill=-9.0, ids=[hostile], dx_types=[hostile])
    context = make_context(
        title=hostile,
        dataset=hostile,
        subset=hostile,
        name="a" + hostile,
        environment={hostile: hostile},
        history=[],
        groups=measure_groups(evaluated, ()),
    )
    html = render_report(evaluated, context)
    page = Page(html)
    assert "<script" not in html
    assert page.badly_nested == []
    # Title twice, dataset, subset, the image in both galleries, confirmation, bundle, environment twice.
    assert page.text.count(hostile) == 10
    assert any(hostile in value for tag, name, value in page.attributes if (tag, name) == ("img", "alt"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "labels",
    [[0, 1, 1, 1, 1, 1, 1, 1, 4, 4], [1] * 10, [0, 2, 3], [6]],
    ids=["ten images", "one benign class", "all malignant", "one image"],
)
def test_small_and_one_sided_subsets(make_subset: MakeSubset, make_context: MakeContext, labels: list[int]) -> None:
    evaluated = make_subset(labels)
    page = Page(render_report(evaluated, make_context()))
    assert page.badly_nested == []
    assert "not defined" in page.text
    assert re.search(r"\b(nan|None|inf)\b", page.text) is None


@pytest.mark.slow
def test_report_without_intervals(make_subset: MakeSubset, make_context: MakeContext) -> None:
    text = Page(render_report(make_subset([0, 1, 4], resamples=0), make_context())).text
    assert "95% interval" not in text.split("Confusion matrix")[0]
    assert "no interval" in text


@pytest.mark.slow
def test_unreadable_images_are_marked(make_subset: MakeSubset, make_context: MakeContext) -> None:
    evaluated = replace(make_subset([0, 1, 4]), locations=("no such file",) * 3)
    html = render_report(evaluated, make_context())
    assert "Image not readable" in html
    assert "<img" not in html


@pytest.mark.slow
def test_deferred_images_and_coverage_by_source_are_shown(make_subset: MakeSubset, make_context: MakeContext) -> None:
    evaluated = make_subset(ALL_CLASSES)
    records = tuple(replace(r, source=f"clinic {i % 2}") for i, r in enumerate(evaluated.records))
    context = make_context()
    sets = PredictionSets(
        coverage=0.9,
        marginal=0.6,
        class_conditional=dict.fromkeys(CODES, 0.7),
        lesions=dict.fromkeys(CODES, 30),
    )
    bundle = context.bundle.model_copy(update={"prediction_sets": sets})
    uncertainty = measure_uncertainty(replace(evaluated, records=records), bundle)
    page = Page(render_report(evaluated, replace(context, bundle=bundle, uncertainty=uncertainty)))
    assert not page.badly_nested
    for expected in ("Deferred malignant lesions", "Deferred benign lesions", "source clinic 0", "source clinic 1"):
        assert expected in page.text
    deferred = uncertainty.selective[-1].deferred["malignant"]
    assert any(cell.startswith(f"{deferred.value:.3f}") for cell in page.cells)


@pytest.mark.slow
def test_report_is_reproducible(make_subset: MakeSubset, make_context: MakeContext) -> None:
    evaluated, context = make_subset([0, 1, 4]), make_context()
    assert render_report(evaluated, context) == render_report(evaluated, context)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "positive", "negative", "positives"),
    [("malignant", "malignant", "benign", "malignant lesions"), ("melanoma", "melanoma", "not melanoma", "melanomas")],
)
def test_page_of_a_binary_task(
    make_subset: MakeSubset, make_context: MakeContext, task: str, positive: str, negative: str, positives: str
) -> None:
    evaluated = make_subset(ALL_CLASSES, task=TASKS[task], skill=1.0)
    html = render_report(evaluated, make_context(task=task))
    page = Page(html)
    text = " ".join(page.text.split())
    assert page.badly_nested == []
    assert page.open == []
    code = TASKS[task].classes[1]
    metrics = evaluated.summary.per_class[code]
    (tn, fp), (fn, tp) = evaluated.summary.confusion_matrix
    assert (tn + fp, fn + tp) == tuple(evaluated.summary.support.values())
    assert metrics["recall"].value == pytest.approx(tp / (fn + tp))
    noun = "Malignancy" if task == "malignant" else "Melanoma"
    assert f"{noun}: sensitivity {tp / (fn + tp):.3f} (" in text
    assert f"positive here if the predicted class is {positive}." in text
    assert f"missed {positives} first" in text
    for name in ("auc", "f1"):
        assert f"{metrics[name].value:.3f} 95% interval {metrics[name].low:.3f} to {metrics[name].high:.3f}" in text
    tiles = text.split("Headline figures")[1].split("Confusion matrix")[0]
    assert f"{positive.capitalize()} F1" in tiles
    assert "not defined" not in tiles
    assert "Macro AUC" not in text
    assert ("malignan" in text) is (task == "malignant")
    assert "seven" not in text
    labels = [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-label"]
    assert len([label for label in labels if label.startswith("ROC curve")]) == 1
    assert len([label for label in labels if label.startswith("Precision-recall curve")]) == 1
    assert any(f"{positive} against {negative}" in label for label in labels)
    assert len([cell for cell in page.cells if "%" in cell]) == 4


@pytest.mark.slow
@pytest.mark.parametrize("labels", [[1] * 10, [0, 0], [6]], ids=["no melanoma", "only melanomas", "one image"])
@pytest.mark.parametrize("task", ["malignant", "melanoma"])
def test_one_sided_subsets_of_a_binary_task(
    make_subset: MakeSubset, make_context: MakeContext, labels: list[int], task: str
) -> None:
    page = Page(render_report(make_subset(labels, task=TASKS[task]), make_context(task=task)))
    assert page.badly_nested == []
    assert "No curve: the images are all" in page.text
    assert re.search(r"\b(nan|None|inf)\b", page.text) is None


@pytest.mark.slow
@pytest.mark.parametrize("task", ["malignant", "melanoma"])
def test_leaky_binary_bundle_marks_every_number(make_subset: MakeSubset, make_context: MakeContext, task: str) -> None:
    page = Page(render_report(make_subset(ALL_CLASSES, task=TASKS[task]), make_context(leaky=True, task=task)))
    numbers = [cell for cell in page.cells if re.search(r"\d\.\d{3}|%", cell)]
    assert [cell for cell in numbers if "leaky" not in cell] == ["0.300", "0.200"]
    labels = [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-label"]
    assert all("leaky" in label for label in labels)
