"""What travels in the bundle of an evaluation: the figures and the points of the curves, without any image's answer."""

from collections.abc import Mapping

import numpy as np

from lesionlab.bundle import Bundle, Epoch, EvaluationSummary, ReliabilityBin, Roc, RocPoint, save_bundle
from lesionlab.bundle.evaluation import ROC_POINTS
from lesionlab.evaluation.evaluate import Evaluation, with_test_results
from lesionlab.evaluation.results import EvaluatedSubset, of_sought
from lesionlab.metrics import Estimate
from lesionlab.metrics.arrays import BoolArray, FloatArray
from lesionlab.metrics.calibration import reliability_bins
from lesionlab.metrics.ranking import roc_curve


def keep_test_results(bundle: Bundle, evaluation: Evaluation) -> Bundle:
    """Put what was measured on the test part into the bundle, where it stands; return the bundle as it is now.

    Raises:
        LesionlabError: The place cannot be written.
    """
    info = with_test_results(bundle.info, evaluation)
    return save_bundle(
        bundle.path,
        info,
        bundle.graph,
        reference=bundle.reference,
        evaluation=stored_evaluation(evaluation),
        training_images=bundle.training_images,
    )


def stored_evaluation(evaluation: Evaluation) -> EvaluationSummary:
    """Return what a bundle says of an evaluation."""
    case = evaluation.case
    summary = case.summary
    return EvaluationSummary(
        graph_sha256=evaluation.info.graph_sha256,
        dataset=evaluation.dataset,
        subset=evaluation.subset,
        unseen=evaluation.unseen,
        leaky=evaluation.info.training_data.leaky,
        date=evaluation.date,
        n_images=summary.n_images,
        n_lesions=summary.n_lesions,
        classes=case.task.classes,
        support=summary.support,
        confusion_matrix=summary.confusion_matrix,
        overall=summary.overall,
        per_class=summary.per_class,
        operating_points=tuple(
            point for point in evaluation.operating_points if not np.isnan(_figures(point.model_dump())).any()
        ),
        roc=_curves(case),
        reliability=_reliability(case),
        history=tuple(_epoch(row) for row in evaluation.history),
        prediction_sets=evaluation.trust.prediction_sets,
        selective=evaluation.trust.selective,
        decision_curve=evaluation.trust.decision_curve,
        robustness=evaluation.trust.robustness,
        subgroups=evaluation.trust.subgroups,
    )


def _figures(point: Mapping[str, object]) -> list[float]:
    return [value for value in point.values() if isinstance(value, float)]


def _curves(case: EvaluatedSubset) -> dict[str, Roc]:
    curves = {
        code: _curve(case.labels == index, case.probabilities[:, index], case.summary.per_class[code]["auc"])
        for index, code in enumerate(case.task.classes)
    }
    if case.task.tells_malignancy and not case.task.binary:
        score = case.probabilities[:, case.sought].sum(axis=1)
        curves["malignant"] = _curve(case.sought[case.labels], score, of_sought(case.summary, case.task, "auc"))
    return curves


def _curve(positive: BoolArray, scores: FloatArray, auc: Estimate) -> Roc:
    curve = roc_curve(positive, scores)
    rates = np.stack([curve.false_positive_rate, curve.true_positive_rate], axis=1)
    if np.isnan(rates).any():
        return Roc(auc=auc, points=())
    return Roc(auc=auc, points=tuple(RocPoint(fpr=fpr, tpr=tpr) for fpr, tpr in _thinned(rates).round(5).tolist()))


def _thinned(rates: FloatArray) -> FloatArray:
    """Return at most `ROC_POINTS` points of a rising curve [T, 2], its ends among them, evenly along its way."""
    if len(rates) <= ROC_POINTS:
        return rates
    way = rates.sum(axis=1)
    chosen = np.searchsorted(way, np.linspace(way[0], way[-1], ROC_POINTS))
    return rates[np.unique(chosen)]


def _reliability(case: EvaluatedSubset) -> tuple[ReliabilityBin, ...]:
    bins = reliability_bins(case.labels, case.probabilities)
    rows = zip(bins.confidence.tolist(), bins.accuracy.tolist(), bins.count.tolist(), strict=True)
    return tuple(ReliabilityBin(confidence=c, accuracy=a, count=count) for c, a, count in rows if count)


def _epoch(row: Mapping[str, float | None]) -> Epoch:
    def value(name: str) -> float | None:
        found = row.get(name)
        return None if found is None or np.isnan(found) else float(found)

    return Epoch(
        epoch=int(row["epoch"] or 0),
        train_loss=value("train_loss"),
        validation_loss=value("validation_loss"),
        validation_balanced_accuracy=value("validation_balanced_accuracy"),
    )
