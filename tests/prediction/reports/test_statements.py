"""The contents of reports."""

from pathlib import Path

import pytest

from lesionlab.prediction.reports import codes
from lesionlab.prediction.reports.statements import Statement, statements
from lesionlab.results import Prediction
from lesionlab.taxonomy import LABELS, TASKS, Risk


def by_name(found: tuple[Statement, ...]) -> dict[str, list[Statement]]:
    names: dict[str, list[Statement]] = {}
    for one in found:
        names.setdefault(one.name.code, []).append(one)
    return names


def test_everything_of_a_prediction_is_stated(prediction: Prediction) -> None:
    found = by_name(statements(prediction))
    assert found["status"][0].value == codes.STATUSES["ok"]
    assert [one.value for one in found["status"][0].details] == list(prediction.notes)
    assert [one.value for one in found["111047"]] == [0.6875]
    assert [one.value for one in found["risk"]] == [codes.RISKS[Risk.HIGH]]
    assert [one.value for one in found["most_probable"]] == [codes.concept_of("mel")]
    first, second = found["decision"]
    assert (first.value, second.value) == (codes.POSITIVE, codes.NEGATIVE)
    assert {one.name: one.value for one in first.details} == {
        codes.OPERATING_POINT: "95% sensitivity (malignant)",
        codes.TARGET_PROBABILITY: 0.6875,
        codes.THRESHOLD: 0.1,
        codes.SENSITIVITY: 0.951,
        codes.SPECIFICITY: 0.62,
        codes.PPV: 0.37,
        codes.NPV: 0.98,
        codes.PREVALENCE: 0.195,
    }
    assert [one.name for one in second.details] == [codes.OPERATING_POINT, codes.TARGET_PROBABILITY, codes.THRESHOLD]
    members = found["prediction_set"][0].details
    assert [one.value for one in members] == [*map(codes.concept_of, ("mel", "nv", "bcc")), 0.9]
    probabilities = found["probabilities"][0].details
    assert {one.finding: one.value for one in probabilities} == {
        codes.concept_of(code): probability for code, probability in prediction.probabilities.items()
    }


def test_an_abstention_states_its_reasons_alone(abstention: Prediction) -> None:
    (status,) = statements(abstention)
    assert status.value == codes.STATUSES["abstained"]
    assert [one.value for one in status.details] == ["too_dark: mean brightness 12, limit 40", *abstention.notes]


def test_what_a_model_does_not_tell_is_not_stated(binary: Prediction) -> None:
    assert set(by_name(statements(binary))) == {"status", "risk", "most_probable", "probabilities"}


def test_codes_fit_into_dicom() -> None:
    concepts = [value for value in vars(codes).values() if isinstance(value, codes.Concept)]
    concepts += [*codes.STATUSES.values(), *codes.RISKS.values(), *map(codes.concept_of, LABELS)]
    concepts += [codes.probability_of(code) for code in LABELS]
    assert len({(one.scheme, one.code) for one in concepts}) == len(concepts)
    for one in concepts:
        assert one.scheme in codes.SCHEMES
        assert len(one.code) <= 16
        assert len(one.meaning) <= 64


def test_every_code_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "records.md").read_text(encoding="utf-8")
    concepts = [value for value in vars(codes).values() if isinstance(value, codes.Concept)]
    concepts += map(codes.concept_of, [code for task in TASKS.values() for code in task.classes])
    unexplained = {codes.SOFTWARE, codes.DERMOSCOPY}
    assert [one for one in concepts if one.code not in page and one not in unexplained] == []


def test_codes_of_standards_are_those_of_the_dictionary_of_pydicom() -> None:
    """The dictionary is generated from the DICOM standard, which holds some codes of SNOMED CT."""
    dictionary = pytest.importorskip("pydicom.sr._concepts_dict").concepts
    meanings: dict[tuple[str, str], set[str]] = {}
    for scheme, keywords in dictionary.items():
        for entries in keywords.values():
            for code, (meaning, _groups) in entries.items():
                meanings.setdefault((scheme, code), set()).add(meaning.removesuffix(" (procedure)"))
    concepts = [value for value in vars(codes).values() if isinstance(value, codes.Concept)]
    known = [
        one for one in (*concepts, *codes.RISKS.values(), *codes.SITES.values()) if (one.scheme, one.code) in meanings
    ]
    assert {one.code for one in known} == {
        "111047", "122411", "111088", "111090", "39937001", "446078004", "10828004", "260385009", "75540009",
        "6736007", "62482003", *(site.code for site in codes.SITES.values()),
    }  # fmt: skip
    assert all(one.meaning in meanings[one.scheme, one.code] for one in known)
