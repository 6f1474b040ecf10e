"""The images of `lesionlab predict`, judged, and explained where that was asked for."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lesionlab.bundle import Patient
from lesionlab.data import read_dataset
from lesionlab.errors import ImageError, UsageError
from lesionlab.files import replacing
from lesionlab.prediction import Ensemble, Failure, Prediction, Predictor, SimilarCase
from lesionlab.prediction.overlay import OverlayFolder
from lesionlab.prediction.side_by_side import CaseFolder
from lesionlab.segmentation import LesionMeasures
from lesionlab.segmentation.write import MEASURES, cells

LESIONS = "lesions.csv"


@dataclass(frozen=True)
class Judged:
    """The answer to one image.

    Attributes:
        prediction: The answer.
        similar: The training cases most like the image; None where nobody asked, or the model does not name them.
        lesion: Shape, colours and size of the lesion; None where nobody asked, or none was found.
    """

    prediction: Prediction
    similar: tuple[SimilarCase, ...] | None = None
    lesion: LesionMeasures | None = None


@dataclass(frozen=True)
class Images:
    """What is asked for.

    Attributes:
        locations: The images.
        batch_size: Images per run of the model.
        explain: Where to put a picture of each explanation, and the lesions in numbers; None for none.
        cases: Dataset with the training images, to show similar ones beside each image; None not to.
        patient_of: What is known of the patient of each; None for nothing.
    """

    locations: list[str]
    batch_size: int
    explain: Path | None
    cases: Path | None
    patient_of: Callable[[str], Patient] | None

    def judged(self, model: Predictor | Ensemble) -> Iterator[Judged | Failure]:
        """Yield the answers in the order of the images; each is explained before it is handed on."""
        if self.explain is not None and isinstance(model, Predictor):
            yield from self._measured(self._explained(model, self.explain), self.explain)
            return
        for result in model.predict_many(self.locations, batch_size=self.batch_size, patient_of=self.patient_of):
            yield result if isinstance(result, Failure) else Judged(result)

    def _measured(self, results: Iterator[Judged | Failure], folder: Path) -> Iterator[Judged | Failure]:
        """Hand answers on, and write the measures of their lesions as a table."""
        with replacing(folder / LESIONS) as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["image", *MEASURES])
            for result in results:
                if isinstance(result, Judged):
                    writer.writerow([result.prediction.path, *cells(result.lesion)])
                yield result

    def _explained(self, predictor: Predictor, folder: Path) -> Iterator[Judged | Failure]:
        places = None if self.cases is None else _training_images(predictor, self.cases)
        overlays = OverlayFolder(folder, self.locations)
        beside = None if places is None else CaseFolder(folder, places, self.locations)
        results = predictor.explain_many(self.locations, batch_size=self.batch_size, patient_of=self.patient_of)
        for location, result in zip(self.locations, results, strict=True):
            if isinstance(result, Failure):
                yield result
                continue
            prediction, similar = result.prediction, result.similar
            try:
                overlays.write(location, prediction, result.explanation)
                if beside is not None:
                    beside.write(location, prediction, similar or ())
            except ImageError as error:  # it could be read a moment ago
                yield Failure(path=prediction.path, error=str(error))
            else:
                yield Judged(prediction, similar, result.lesion)


def _training_images(predictor: Predictor, dataset: Path) -> dict[str, str]:
    """Return the places of a model's training images in a dataset by their identifiers."""
    cases, model = predictor.bundle.cases, predictor.info.identity
    if cases is None:
        raise UsageError(f"--cases: {model} does not name its training images; export its run again")
    named = set(cases.image_id.tolist())
    manifest = read_dataset(dataset)
    places = {r.image_id: manifest.location(r) for r in manifest if r.image_id.encode() in named}
    if not places:
        raise UsageError(f"--cases {dataset}: it holds none of the images that {model} was trained on")
    return places
