"""Codes of the reports. Diagnoses and quantities without a standard code have one in a scheme of lesionlab."""

import uuid
from dataclasses import dataclass
from typing import Final

from lesionlab.bundle import Site
from lesionlab.taxonomy import Risk, label_name

LOCAL: Final = "99LESIONLAB"  # DICOM reserves the prefix 99 for private coding schemes
LOCAL_URI: Final = "https://lesionlab.github.io/lesionlab/records"
MODEL_URI: Final = f"{LOCAL_URI}/model"  # of the SHA-256 of a graph

# Name of a coding scheme in DICOM: its URI in FHIR.
SCHEMES: Final = {
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "LN": "http://loinc.org",
    "SCT": "http://snomed.info/sct",
    LOCAL: LOCAL_URI,
}


@dataclass(frozen=True, slots=True)
class Concept:
    """A coded concept.

    Attributes:
        scheme: Name of the coding scheme in DICOM, for example `SCT` for SNOMED CT.
        code: At most 16 characters.
        meaning: At most 64 characters.
    """

    scheme: str
    code: str
    meaning: str


def local(code: str, meaning: str) -> Concept:
    """Return a concept of lesionlab's own scheme."""
    return Concept(LOCAL, code, meaning)


# Only classes with exactly one concept. `akiec`, `bkl` and `vasc` are groups of diagnoses.
_SNOMED = {
    "mel": Concept("SCT", "93655004", "Malignant melanoma of skin"),
    "nv": Concept("SCT", "400096001", "Melanocytic nevus"),
    "bcc": Concept("SCT", "254701007", "Basal cell carcinoma of skin"),
}
SKIN = Concept("SCT", "39937001", "Skin")
DERMOSCOPY = Concept("SCT", "446078004", "Dermoscopic photography")
# Of CID 4029 (Dermatology Anatomic Site). It has no trunk as a whole, and no acral skin.
SITES = {
    Site.ABDOMEN: Concept("SCT", "75093004", "Skin of abdomen"),
    Site.BACK: Concept("SCT", "66643007", "Skin of back"),
    Site.CHEST: Concept("SCT", "244106003", "Skin of anterior surface of thorax"),
    Site.EAR: Concept("SCT", "1902009", "Skin of ear"),
    Site.FACE: Concept("SCT", "73897004", "Skin of face"),
    Site.FOOT: Concept("SCT", "60496002", "Skin of foot"),
    Site.GENITAL: Concept("SCT", "60944009", "Skin of external genitalia"),
    Site.HAND: Concept("SCT", "33712006", "Skin of hand"),
    Site.LOWER_EXTREMITY: Concept("SCT", "371304004", "Skin of lower extremity"),
    Site.NECK: Concept("SCT", "43081002", "Skin of neck"),
    Site.SCALP: Concept("SCT", "43067004", "Skin of scalp"),
    Site.UPPER_EXTREMITY: Concept("SCT", "371311000", "Skin of upper extremity"),
}
SOFTWARE = Concept("SCT", "706687001", "Software")

STATUS = local("status", "Status of the prediction")
STATUSES = {"ok": local("ok", "Predicted"), "abstained": local("abstained", "Abstained")}
ABSTAIN_REASON = local("abstain_reason", "Reason for the abstention")
NOTE = local("note", "Note on the image")
P_MALIGNANT = Concept("DCM", "111047", "Probability of cancer")
DECISION = local("decision", "Decision at an operating point")
POSITIVE = Concept("SCT", "10828004", "Positive")
NEGATIVE = Concept("SCT", "260385009", "Negative")
OPERATING_POINT = local("operating_point", "Operating point")
TARGET_PROBABILITY = local("p_target", "Probability compared with the threshold")
THRESHOLD = Concept("DCM", "122411", "Threshold Value")
SENSITIVITY = Concept("DCM", "111088", "Case Sensitivity")
SPECIFICITY = Concept("DCM", "111090", "Case Specificity")
PPV = local("ppv", "Positive predictive value")
NPV = local("npv", "Negative predictive value")
PREVALENCE = local("prevalence", "Prevalence that the predictive values assume")
RISK = local("risk", "Risk level")
RISKS = {
    Risk.HIGH: Concept("SCT", "75540009", "High"),
    Risk.MODERATE: Concept("SCT", "6736007", "Moderate"),
    Risk.LOW: Concept("SCT", "62482003", "Low"),
}
MOST_PROBABLE = local("most_probable", "Most probable class")
PROBABILITIES = local("probabilities", "Calibrated probability of each class")
PREDICTION_SET = local("prediction_set", "Classes that cannot be ruled out")
IN_SET = local("cannot_rule_out", "Class that cannot be ruled out")
COVERAGE = local("coverage", "Coverage of the prediction set, for each class")


def concept_of(code: str) -> Concept:
    """Return the concept of a class by its code in `lesionlab.taxonomy`."""
    return _SNOMED.get(code) or local(code, label_name(code))


def probability_of(code: str) -> Concept:
    """Return the concept of the probability of a class by its code; it is the class's column in result files."""
    return local(f"p_{code}", f"Probability of {concept_of(code).meaning}")


def stable_uuid(*parts: object) -> uuid.UUID:
    """Return a UUID that depends on the representation of `parts` alone.

    A repeated run thereby writes the same document under the same identifier, which an archive recognises, instead of a
    second report on the image.
    """
    return uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, LOCAL_URI), repr(parts))


def stable_uid(*parts: object) -> str:
    """Return `stable_uuid` as a DICOM UID (PS3.5, B.2)."""
    return f"2.25.{stable_uuid(*parts).int}"
