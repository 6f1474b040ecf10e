"""A prediction, an abstention, a model, and DICOM images with a patient."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lesionlab.results import AbstainReason, ModelName, OperatingPointResult, Prediction, PredictionSet, RankedDiagnosis
from lesionlab.taxonomy import CODES, TASKS, Risk, label_name

if TYPE_CHECKING:
    from pydicom import Dataset

DERMOSCOPIC = "1.2.840.10008.5.1.4.1.1.77.1.7"
PROBABILITIES = (0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.015625)
PATIENT = {
    "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "PatientID": "4711-X",
    "IssuerOfPatientID": "Klinik",
    "PatientBirthDate": "19500102",
    "PatientSex": "M",
    "StudyDate": "20240203",
    "StudyTime": "101112",
    "AccessionNumber": "ACC9",
    "StudyID": "S1",
    "StudyDescription": "Kontrolle Rücken",
    "ReferringPhysicianName": "Weiß^Änne",
}


@pytest.fixture(scope="session")
def model() -> ModelName:
    sha256 = "0123456789ab" + "0" * 52
    return ModelName(name="tiny", identity="tiny@0123456789ab", graph_sha256=sha256)


@pytest.fixture(scope="session")
def prediction() -> Prediction:
    point = OperatingPointResult(
        name="95% sensitivity",
        target="malignant",
        threshold=0.1,
        target_probability=0.6875,
        positive=True,
        sensitivity=0.951,
        specificity=0.62,
        ppv=0.37,
        npv=0.98,
        prevalence=0.195,
        measured_on="validation",
    )
    other = OperatingPointResult(
        name="cost=20", target="melanoma", threshold=0.75, target_probability=0.5, positive=False
    )
    return Prediction(
        image="Smith John/IMG 1.jpg",
        status="ok",
        p_malignant=0.6875,
        risk=Risk.HIGH,
        operating_points=(point, other),
        probabilities=dict(zip(CODES, PROBABILITIES, strict=True)),
        top=tuple(
            RankedDiagnosis(code=code, name=label_name(code), probability=p)
            for code, p in zip(CODES[:3], PROBABILITIES, strict=False)
        ),
        prediction_set=PredictionSet(coverage=0.9, codes=("mel", "nv", "bcc")),
        balanced_prediction="bcc",
        ood_score=1.25,
        notes=("grey <image> & Gerät",),
        model="tiny@0123456789ab",
    )


@pytest.fixture(scope="session")
def abstention(prediction: Prediction) -> Prediction:
    points = tuple(point.model_copy(update={"positive": None}) for point in prediction.operating_points)
    changes = {
        "status": "abstained",
        "abstain_reasons": (AbstainReason(code="too_dark", message="mean brightness 12, limit 40"),),
        "operating_points": points,
        "risk": None,
        "top": (),
        "prediction_set": None,
        "balanced_prediction": None,
    }
    return Prediction.model_validate(dict(prediction) | changes)


@pytest.fixture(scope="session")
def binary() -> Prediction:
    """A prediction of a model that cannot tell malignancy, without operating points and prediction set."""
    first, second = TASKS["melanoma"].classes
    return Prediction(
        image="a.jpg",
        status="ok",
        p_malignant=None,
        risk=Risk.HIGH,
        operating_points=(),
        probabilities={first: 0.25, second: 0.75},
        top=(RankedDiagnosis(code=second, name="Melanoma", probability=0.75),),
        balanced_prediction=second,
        model="tiny@0123456789ab",
    )


@pytest.fixture(scope="session")
def dicom_image() -> Callable[..., "Dataset"]:
    """Return a function that makes a small dermoscopic image; an attribute that is given as None is absent."""
    pydicom = pytest.importorskip("pydicom")

    def make(**changes: Any) -> "Dataset":
        image: Dataset = pydicom.Dataset()
        image.file_meta = pydicom.dataset.FileMetaDataset()
        image.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        image.SpecificCharacterSet = "ISO_IR 192"
        attributes = {
            "SOPClassUID": DERMOSCOPIC,
            "SOPInstanceUID": "2.25.1001",
            "StudyInstanceUID": "2.25.1",
            "SeriesInstanceUID": "2.25.100",
            "Modality": "DMS",
            "InstanceNumber": 3,
            **PATIENT,
            "Rows": 64,
            "Columns": 64,
            "SamplesPerPixel": 3,
            "PhotometricInterpretation": "RGB",
            "PlanarConfiguration": 0,
            "BitsAllocated": 8,
            "BitsStored": 8,
            "HighBit": 7,
            "PixelRepresentation": 0,
            "PixelData": np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8).tobytes(),
        }
        for keyword, value in (attributes | changes).items():
            if value is not None:
                setattr(image, keyword, value)
        return image

    return make


@pytest.fixture(scope="session")
def save_dicom() -> Callable[["Dataset", Path], Path]:
    """Return a function that saves a dataset as a DICOM file."""

    def save(image: "Dataset", path: Path) -> Path:
        stream = io.BytesIO()
        image.save_as(stream, enforce_file_format=True)
        path.write_bytes(stream.getvalue())
        return path

    return save
