"""Two checklists of the field, answered for a model card: where the card reports an item, or that nobody does.

The items are named in our own words. Their numbers are those of the checklists:
CLAIM, 2024 update: Tejani et al., Radiol. Artif. Intell. 6(4), e240300 (2024), 44 items.
TRIPOD+AI: Collins et al., BMJ 385, e078378 (2024), 27 main items.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Fact(StrEnum):
    """What a card may be able to report, depending on its bundle."""

    EVALUATED = "the bundle holds an evaluation"
    EXTERNAL = "an external evaluation was given"
    EXPLAINS = "the model explains its answers"
    DATASET = "the datasets are known beyond their counts"
    RECIPE = "the recipe can be read"
    SUBGROUPS = "the evaluation has subgroups"


class Status(StrEnum):
    """How far an item is answered."""

    REPORTED = "Reported"
    PARTLY = "In part"
    MISSING = "Not reported"
    NOT_APPLICABLE = "Not applicable"


@dataclass(frozen=True, slots=True)
class Answer:
    """How far an item is answered, in which sections, and what else there is to say."""

    status: Status
    sections: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a checklist.

    Attributes:
        topic: What it asks for, in short.
        answer: The answer if `needs` holds.
        needs: What the answer depends on; None for one that holds for every bundle.
        otherwise: The answer if `needs` does not hold.
    """

    topic: str
    answer: Answer
    needs: Fact | None = None
    otherwise: Answer = Answer(Status.MISSING)

    def answered(self, facts: Collection[Fact]) -> Answer:
        """Return the answer for a bundle of which these facts hold."""
        return self.answer if self.needs is None or self.needs in facts else self.otherwise


def _yes(*sections: str, note: str = "") -> Answer:
    return Answer(Status.REPORTED, sections, note)


def _part(*sections: str, note: str) -> Answer:
    return Answer(Status.PARTLY, sections, note)


def _no(note: str = "") -> Answer:
    return Answer(Status.MISSING, (), note)


def _not_applicable(note: str) -> Answer:
    return Answer(Status.NOT_APPLICABLE, (), note)


_PAPER = _no("It belongs in the paper.")
_NOT_EVALUATED = _no("The bundle holds no evaluation.")
_NO_EXTERNAL = _no("No evaluation on other data was given.")
_OF_DATASET = "The rest is in the publication of the dataset."
_UNKNOWN_DATASET = _no("The bundle does not tell it of this dataset.")
_EVALUATED, _DATASET = Fact.EVALUATED, Fact.DATASET

CLAIM: tuple[Item, ...] = (
    Item("Study and technology named", _yes("Model details")),
    Item("Summary", _yes("In short"), _EVALUATED, _part("In short", note="There are no results to sum up.")),
    Item("Background and intended use", _part("Intended use", note="The background belongs in the paper.")),
    Item("Aims and hypotheses", _PAPER),
    Item("Prospective or retrospective", _yes("Data")),
    Item("Goal of the study", _part("Intended use", note="The goal of a study belongs in the paper.")),
    Item("Sources of the data", _yes("Data"), _DATASET, _part("Data", note="Names and counts only.")),
    Item("Eligibility", _part("Data", note=_OF_DATASET), _DATASET, _UNKNOWN_DATASET),
    Item("Pre-processing", _yes("From image to answer")),
    Item("Subsets of the data", _yes("Training"), Fact.RECIPE, _no()),
    Item("De-identification", _no("Names of files and patients are no part of the bundle.")),
    Item("Missing data", _yes("Data")),
    Item("Image acquisition", _part("Data", note=_OF_DATASET), _DATASET, _UNKNOWN_DATASET),
    Item("Reference standard", _yes("Data"), _DATASET, _UNKNOWN_DATASET),
    Item("Why this reference standard", _no()),
    Item("Who set the reference standard", _part("Data", note=_OF_DATASET), _DATASET, _UNKNOWN_DATASET),
    Item("Annotation of the test part", _part("Data", note="As for all images."), _DATASET, _UNKNOWN_DATASET),
    Item("Agreement between and within raters", _no()),
    Item("Assignment to parts", _yes("Data")),
    Item("Level at which parts are disjoint", _yes("Data")),
    Item("Intended sample size", _no("No size was calculated beforehand; the test part is a share of the dataset.")),
    Item("Description of the model", _yes("Model details", "From image to answer")),
    Item("Software", _yes("Training")),
    Item("Starting weights", _yes("Training")),
    Item("Training", _yes("Training"), Fact.RECIPE, _part("Appendix A: recipe", note="The settings as they are.")),
    Item("Choice of the final model", _yes("Training"), Fact.RECIPE, _no()),
    Item("Ensembles", _not_applicable("One network answers.")),
    Item("Metrics", _yes("Results", "Operating points"), _EVALUATED, _NOT_EVALUATED),
    Item(
        "Uncertainty and significance",
        _part("Results", note="Intervals; nothing is tested for significance."),
        _EVALUATED,
        _NOT_EVALUATED,
    ),
    Item("Robustness", _no("Only subgroups and refusals, if the bundle has them.")),
    Item("Explanations", _yes("Explanations"), Fact.EXPLAINS, _not_applicable("The model gives none.")),
    Item("Evaluation on internal data", _yes("Results"), _EVALUATED, _NOT_EVALUATED),
    Item("Evaluation on external data", _yes("External validation"), Fact.EXTERNAL, _NO_EXTERNAL),
    Item("Registration of the trial", _not_applicable("The card describes no trial.")),
    Item("Numbers included and excluded", _part("Data", note="What the dataset itself left out is not counted.")),
    Item(
        "Patients in each part",
        _part("Results", note="Of the test part only; the other parts' patients are not described in the bundle."),
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
        _part("Results", note="Confusion matrix; `report.html` of an evaluation shows the worst mistakes."),
        _EVALUATED,
        _NOT_EVALUATED,
    ),
    Item("Limits", _yes("Limits")),
    Item("Meaning for practice", _yes("Intended use")),
    Item("Protocol or technical details", _part("Appendix A: recipe", note="There is no protocol of a study.")),
    Item(
        "Availability of software, model and data",
        _yes("Model details", "Data"),
        _DATASET,
        _part("Model details", note="Not whether the data can be had."),
    ),
    Item("Funding", _no()),
)

TRIPOD_AI: tuple[Item, ...] = (
    Item("Title", _PAPER),
    Item("Abstract", _yes("In short"), _EVALUATED, _part("In short", note="There are no results to sum up.")),
    Item("Background", _part("Intended use", "Limits", note="The clinical background belongs in the paper.")),
    Item("Objectives", _PAPER),
    Item("Sources and dates of the data", _part("Data", note=_OF_DATASET), _DATASET, _part("Data", note="Sources.")),
    Item("Participants", _part("Data", note=_OF_DATASET), _DATASET, _UNKNOWN_DATASET),
    Item("Preparation of the data", _yes("From image to answer", "Training")),
    Item("Outcome", _yes("Model details", "Data"), _DATASET, _part("Model details", note="Not how it was set.")),
    Item("Predictors", _yes("From image to answer")),
    Item("Sample size", _part("Data", note="The numbers; no size was calculated beforehand.")),
    Item("Missing data", _yes("Data")),
    Item(
        "Methods of analysis",
        _yes("Training", "From image to answer", "Results"),
        _EVALUATED,
        _part("Training", "From image to answer", note="Not how it was measured."),
    ),
    Item("Class imbalance", _yes("Training", "From image to answer"), Fact.RECIPE, _part("Data", note="Counts.")),
    Item("Fairness", _part("Results", note="Subgroups are measured; nothing was done to equal them."), Fact.SUBGROUPS),
    Item("Output of the model", _yes("From image to answer", "Operating points")),
    Item(
        "Training against evaluation data",
        _yes("Data", "External validation"),
        Fact.EXTERNAL,
        _part("Data", note="Parts of the same data only."),
    ),
    Item("Ethical approval", _part("Data", note="See the publication of the dataset."), _DATASET, _UNKNOWN_DATASET),
    Item(
        "Open science",
        _part("Model details", note="Licence and code; nothing on funding, interests, protocol or registration."),
    ),
    Item("Patient and public involvement", _no()),
    Item("Flow and characteristics of participants", _part("Data", "Results", note="The test part."), Fact.SUBGROUPS),
    Item("Numbers behind each analysis", _yes("Data")),
    Item("Specification of the model", _yes("Model details", note="The bundle holds the whole model.")),
    Item(
        "Performance",
        _yes("Results", "Operating points", "External validation"),
        _EVALUATED,
        _NOT_EVALUATED,
    ),
    Item("Updating of the model", _not_applicable("The model was trained anew.")),
    Item("Interpretation", _PAPER),
    Item("Limits", _yes("Limits")),
    Item("Use in present care", _yes("Intended use", "Refusals", note="It is not to be used in care.")),
)
