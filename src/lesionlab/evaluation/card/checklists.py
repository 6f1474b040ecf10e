"""The checklists CLAIM and TRIPOD+AI with the sections of the model card that report each item.

The items are paraphrased, in the order of the checklists.
CLAIM, 2024 update: Tejani et al., Radiol. Artif. Intell. 6(4), e240300 (2024), 44 items.
TRIPOD+AI: Collins et al., BMJ 385, e078378 (2024), 27 main items.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Fact(StrEnum):
    """A property of the bundle that an item depends on."""

    EVALUATED = "the bundle has an evaluation"
    EXTERNAL = "an external evaluation was given"
    EXPLAINS = "predictions can be explained"
    DATASET = "the datasets are known"
    RECIPE = "the recipe can be read"
    SUBGROUPS = "the evaluation has subgroups"


class Status(StrEnum):
    """Status of an item."""

    REPORTED = "Reported"
    PARTLY = "In part"
    MISSING = "Not reported"
    NOT_APPLICABLE = "Not applicable"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status of an item, sections of the card, and a note."""

    status: Status
    sections: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a checklist.

    Attributes:
        topic: The item in short.
        answer: The answer if `needs` holds.
        needs: Condition of the answer; None for no condition.
        otherwise: The answer if `needs` does not hold.
    """

    topic: str
    answer: Answer
    needs: Fact | None = None
    otherwise: Answer = Answer(Status.MISSING)

    def answered(self, facts: Collection[Fact]) -> Answer:
        """Return the answer for a bundle with these properties."""
        return self.answer if self.needs is None or self.needs in facts else self.otherwise


def _yes(*sections: str, note: str = "") -> Answer:
    return Answer(Status.REPORTED, sections, note)


def _part(*sections: str, note: str) -> Answer:
    return Answer(Status.PARTLY, sections, note)


def _no(note: str = "") -> Answer:
    return Answer(Status.MISSING, (), note)


def _not_applicable(note: str) -> Answer:
    return Answer(Status.NOT_APPLICABLE, (), note)


_PAPER = _no("Part of the paper.")
_NOT_EVALUATED = _no("The bundle has no evaluation.")
_NO_EXTERNAL = _no("No evaluation on other data was given.")
_OF_DATASET = "Details in the publication of the dataset."
_UNKNOWN_DATASET = _no("Unknown for this dataset.")
_EVALUATED, _DATASET = Fact.EVALUATED, Fact.DATASET

CLAIM: tuple[Item, ...] = (
    Item("Study and technology named", _yes("Model details")),
    Item("Summary", _yes("Summary"), _EVALUATED, _part("Summary", note="Without results.")),
    Item("Background and intended use", _part("Intended use", note="Background: part of the paper.")),
    Item("Aims and hypotheses", _PAPER),
    Item("Prospective or retrospective", _yes("Data")),
    Item("Goal of the study", _part("Intended use", note="Goal of the study: part of the paper.")),
    Item("Sources of the data", _yes("Data"), _DATASET, _part("Data", note="Names and counts only.")),
    Item("Eligibility", _part("Data", note=_OF_DATASET), _DATASET, _UNKNOWN_DATASET),
    Item("Pre-processing", _yes("Inference")),
    Item("Subsets of the data", _yes("Training"), Fact.RECIPE, _no()),
    Item("De-identification", _no("The bundle has no names of files or patients.")),
    Item("Missing data", _yes("Data")),
    Item("Image acquisition", _part("Data", note=_OF_DATASET), _DATASET, _UNKNOWN_DATASET),
    Item("Reference standard", _yes("Data"), _DATASET, _UNKNOWN_DATASET),
    Item("Rationale of the reference standard", _no()),
    Item("Source of the reference standard", _part("Data", note=_OF_DATASET), _DATASET, _UNKNOWN_DATASET),
    Item("Annotation of the test set", _part("Data", note="As for all images."), _DATASET, _UNKNOWN_DATASET),
    Item("Agreement between and within raters", _no()),
    Item("Assignment to subsets", _yes("Data")),
    Item("Level at which subsets are disjoint", _yes("Data")),
    Item("Intended sample size", _no("No sample size calculation; the test set is a share of the dataset.")),
    Item("Description of the model", _yes("Model details", "Inference")),
    Item("Software", _yes("Training")),
    Item("Starting weights", _yes("Training")),
    Item("Training", _yes("Training"), Fact.RECIPE, _part("Appendix A: recipe", note="Settings only.")),
    Item("Choice of the final model", _yes("Training"), Fact.RECIPE, _no()),
    Item("Ensembles", _not_applicable("Single network.")),
    Item("Metrics", _yes("Results", "Operating points"), _EVALUATED, _NOT_EVALUATED),
    Item(
        "Uncertainty and significance",
        _part("Results", note="Intervals; no significance tests."),
        _EVALUATED,
        _NOT_EVALUATED,
    ),
    Item("Robustness", _no("Only subgroups and abstention, if the bundle has them.")),
    Item("Explanations", _yes("Explanations"), Fact.EXPLAINS, _not_applicable("The model has none.")),
    Item("Evaluation on internal data", _yes("Results"), _EVALUATED, _NOT_EVALUATED),
    Item("Evaluation on external data", _yes("External validation"), Fact.EXTERNAL, _NO_EXTERNAL),
    Item("Registration of the trial", _not_applicable("No trial.")),
    Item("Numbers included and excluded", _part("Data", note="Without the exclusions of the dataset itself.")),
    Item(
        "Patients in each subset",
        _part("Results", note="Test set only."),
        Fact.SUBGROUPS,
    ),
    Item("Performance with its uncertainty", _yes("Results"), _EVALUATED, _NOT_EVALUATED),
    Item(
        "Diagnostic performance and its precision",
        _yes("Operating points", "Results"),
        _EVALUATED,
        _NOT_EVALUATED,
    ),
    Item(
        "Analysis of failures",
        _part("Results", note="Confusion matrix; `report.html` of an evaluation shows the most confident mistakes."),
        _EVALUATED,
        _NOT_EVALUATED,
    ),
    Item("Limits", _yes("Limits")),
    Item("Meaning for practice", _yes("Intended use")),
    Item("Protocol or technical details", _part("Appendix A: recipe", note="No study protocol.")),
    Item(
        "Availability of software, model and data",
        _yes("Model details", "Data"),
        _DATASET,
        _part("Model details", note="Without the availability of the data."),
    ),
    Item("Funding", _no()),
)

TRIPOD_AI: tuple[Item, ...] = (
    Item("Title", _PAPER),
    Item("Abstract", _yes("Summary"), _EVALUATED, _part("Summary", note="Without results.")),
    Item("Background", _part("Intended use", "Limits", note="Clinical background: part of the paper.")),
    Item("Objectives", _PAPER),
    Item("Sources and dates of the data", _part("Data", note=_OF_DATASET), _DATASET, _part("Data", note="Sources.")),
    Item("Participants", _part("Data", note=_OF_DATASET), _DATASET, _UNKNOWN_DATASET),
    Item("Preparation of the data", _yes("Inference", "Training")),
    Item(
        "Outcome",
        _yes("Model details", "Data"),
        _DATASET,
        _part("Model details", note="Without the reference standard."),
    ),
    Item("Predictors", _yes("Inference")),
    Item("Sample size", _part("Data", note="Numbers; no sample size calculation.")),
    Item("Missing data", _yes("Data")),
    Item(
        "Methods of analysis",
        _yes("Training", "Inference", "Results"),
        _EVALUATED,
        _part("Training", "Inference", note="Without the evaluation."),
    ),
    Item("Class imbalance", _yes("Training", "Inference"), Fact.RECIPE, _part("Data", note="Counts.")),
    Item("Fairness", _part("Results", note="Subgroups are measured, without mitigation."), Fact.SUBGROUPS),
    Item("Output of the model", _yes("Inference", "Operating points")),
    Item(
        "Training against evaluation data",
        _yes("Data", "External validation"),
        Fact.EXTERNAL,
        _part("Data", note="Subsets of the same dataset only."),
    ),
    Item("Ethical approval", _part("Data", note="See the publication of the dataset."), _DATASET, _UNKNOWN_DATASET),
    Item(
        "Open science",
        _part("Model details", note="Licence and code; without funding, interests, protocol and registration."),
    ),
    Item("Patient and public involvement", _no()),
    Item("Flow and characteristics of participants", _part("Data", "Results", note="Test set only."), Fact.SUBGROUPS),
    Item("Numbers behind each analysis", _yes("Data")),
    Item("Specification of the model", _yes("Model details", note="The bundle is the complete model.")),
    Item(
        "Performance",
        _yes("Results", "Operating points", "External validation"),
        _EVALUATED,
        _NOT_EVALUATED,
    ),
    Item("Updating of the model", _not_applicable("The model is not an update.")),
    Item("Interpretation", _PAPER),
    Item("Limits", _yes("Limits")),
    Item("Use in current care", _yes("Intended use", "Abstention", note="Not for use in care.")),
)
