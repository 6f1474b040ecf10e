"""The contents of a report, as coded statements that DICOM and FHIR write in their own form."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from lesionlab.prediction.reports import codes
from lesionlab.prediction.reports.codes import Concept
from lesionlab.results import OperatingPointResult, Prediction

Value: TypeAlias = float | str | Concept


@dataclass(frozen=True, slots=True)
class Statement:
    """A name, a value and details.

    Attributes:
        value: A share or probability from 0 to 1, a text or a concept; None for a group of details.
        finding: For a probability: the class that it is of.
    """

    name: Concept
    value: Value | None = None
    details: tuple["Statement", ...] = ()
    finding: Concept | None = None


def statements(prediction: Prediction) -> tuple[Statement, ...]:
    """Return the statements about an image. Those of an abstention are its status, with the reasons, alone.

    An abstention's probabilities are for the analysis of the model; in a record they would be read as a result.
    """
    reasons = (Statement(codes.ABSTAIN_REASON, f"{one.code}: {one.message}") for one in prediction.abstain_reasons)
    notes = (Statement(codes.NOTE, note) for note in prediction.notes)
    status = Statement(codes.STATUS, codes.STATUSES[prediction.status], (*reasons, *notes))
    return (status,) if prediction.abstained else (status, *_results(prediction))


def _results(prediction: Prediction) -> Iterator[Statement]:
    if prediction.p_malignant is not None:
        yield _share(codes.P_MALIGNANT, prediction.p_malignant)
    yield from (_decision(point) for point in prediction.operating_points)
    if prediction.risk is not None:
        yield Statement(codes.RISK, codes.RISKS[prediction.risk])
    yield from (Statement(codes.MOST_PROBABLE, codes.concept_of(first.code)) for first in prediction.top[:1])
    if prediction.prediction_set is not None:
        members = (Statement(codes.IN_SET, codes.concept_of(code)) for code in prediction.prediction_set.codes)
        coverage = _share(codes.COVERAGE, prediction.prediction_set.coverage)
        yield Statement(codes.PREDICTION_SET, None, (*members, coverage))
    probabilities = (
        _share(codes.probability_of(code), value, codes.concept_of(code))
        for code, value in prediction.probabilities.items()
    )
    yield Statement(codes.PROBABILITIES, None, tuple(probabilities))


def _decision(point: OperatingPointResult) -> Statement:
    shares = {
        codes.TARGET_PROBABILITY: point.target_probability,
        codes.THRESHOLD: point.threshold,
        codes.SENSITIVITY: point.sensitivity,
        codes.SPECIFICITY: point.specificity,
        codes.PPV: point.ppv,
        codes.NPV: point.npv,
        codes.PREVALENCE: point.prevalence,
    }
    name = Statement(codes.OPERATING_POINT, f"{point.name} ({point.target})")
    known = (_share(concept, value) for concept, value in shares.items() if value is not None)
    return Statement(codes.DECISION, codes.POSITIVE if point.positive else codes.NEGATIVE, (name, *known))


def _share(name: Concept, value: float, finding: Concept | None = None) -> Statement:
    # Six digits, so that another number of threads does not change the document and its identifier.
    return Statement(name, round(value, 6), (), finding)
