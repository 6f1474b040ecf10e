"""The part of an evaluation that a bundle stores: metrics and curves, without predictions of single images."""

from collections.abc import Mapping

import numpy as np

from lesionlab.bundle import Bundle, Epoch, EvaluationSummary, ReliabilityBin, Roc, RocPoint, save_bundle
from lesionlab.bundle.evaluation import ROC_POINTS
from lesionlab.evaluation.evaluate import Evaluation, with_test_results
from lesionlab.evaluation.results import EvaluatedSubset, target_metric
from lesionlab.evaluation.tables import positives_and_scores
from lesionlab.metrics import Estimate
from lesionlab.metrics.arrays import BoolArray, FloatArray
from lesionlab.metrics.calibration import reliability_bins
from lesionlab.metrics.ranking import roc_curve


def keep_test_results(bundle: Bundle, evaluation: Evaluation) -> Bundle:
    """Store the results of the test set in the bundle at its path; return the new bundle.

    Raises:
        LesionlabError: The bundle cannot be written.
    """
    info = with_test_results(bundle.info, evaluation)
    return save_bundle(
        bundle.path,
        info,
        bundle.graph,
        reference=bundle.reference,
        evaluation=stored_evaluation(evaluation),
        training_images=bundle.training_images,
        seen_images=bundle.seen_images,
        clinical=bundle.clinical,
    )


def stored_evaluation(evaluation: Evaluation) -> EvaluationSummary:
    """Return the part of an evaluation that a bundle stores."""
    evaluated, uncertainty, groups = evaluation.evaluated, evaluation.uncertainty, evaluation.groups
    summary = evaluated.summary
    return EvaluationSummary(
        graph_sha256=evaluation.info.graph_sha256,
        dataset=evaluation.dataset,
        subset=evaluation.subset,
        unseen=bool(evaluation.unseen),
        seen=evaluation.seen,
        leaky=evaluation.info.training_data.leaky,
        date=evaluation.date,
        n_images=summary.n_images,
        n_lesions=summary.n_lesions,
        classes=evaluated.task.classes,
        support=summary.support,
        confusion_matrix=summary.confusion_matrix,
        overall=summary.overall,
        per_class=summary.per_class,
        operating_points=tuple(
            point for point in evaluation.operating_points if not np.isnan(_floats(point.model_dump())).any()
        ),
        roc=_curves(evaluated),
        reliability=_reliability(evaluated),
        history=tuple(_epoch(row) for row in evaluation.history),
        prediction_sets=uncertainty.prediction_sets,
        prediction_sets_by_source=uncertainty.prediction_sets_by_source,
        selective=uncertainty.selective,
        decision_curve=uncertainty.decision_curve,
        robustness=uncertainty.robustness,
        subgroups=uncertainty.subgroups,
        by_source=groups.by_source,
        by_confirmation=groups.by_confirmation,
        within_source_auc=groups.within_source_auc,
    )


def _floats(point: Mapping[str, object]) -> list[float]:
    return [value for value in point.values() if isinstance(value, float)]


def _curves(evaluated: EvaluatedSubset) -> dict[str, Roc]:
    labels, probabilities, summary, task = (
        evaluated.labels,
        evaluated.probabilities,
        evaluated.summary,
        evaluated.task,
    )
    curves = {
        code: _curve(labels == index, probabilities[:, index], summary.per_class[code]["auc"])
        for index, code in enumerate(task.classes)
    }
    if task.tells_malignancy and not task.binary:
        positive, scores = positives_and_scores(evaluated)
        curves["malignant"] = _curve(positive, scores, target_metric(summary, task, "auc"))
    return curves


def _curve(positive: BoolArray, scores: FloatArray, auc: Estimate) -> Roc:
    curve = roc_curve(positive, scores)
    rates = np.stack([curve.false_positive_rate, curve.true_positive_rate], axis=1)
    if np.isnan(rates).any():
        return Roc(auc=auc, points=())
    return Roc(auc=auc, points=tuple(RocPoint(fpr=fpr, tpr=tpr) for fpr, tpr in _thinned(rates).round(5).tolist()))


def _thinned(rates: FloatArray) -> FloatArray:
    """Return at most `ROC_POINTS` points of a monotonic curve [T, 2], evenly along it, with both ends."""
    if len(rates) <= ROC_POINTS:
        return rates
    length = rates.sum(axis=1)
    chosen = np.searchsorted(length, np.linspace(length[0], length[-1], ROC_POINTS))
    return rates[np.unique(chosen)]


def _reliability(evaluated: EvaluatedSubset) -> tuple[ReliabilityBin, ...]:
    bins = reliability_bins(evaluated.labels, evaluated.probabilities)
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
