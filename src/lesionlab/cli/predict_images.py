"""The images of `lesionlab predict`, judged, and explained where that was asked for."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lesionlab.bundle import Patient
from lesionlab.data import read_dataset
from lesionlab.errors import ImageError, UsageError
from lesionlab.files import replacing
from lesionlab.prediction import Predictor
from lesionlab.prediction.explanation.nearest_figure import NearestImageFolder
from lesionlab.prediction.explanation.overlay import OverlayFolder
from lesionlab.results import Failure, LesionMeasures, NearestImage, Prediction
from lesionlab.segmentation.write import MEASURES, cells

LESIONS = "lesions.csv"


@dataclass(frozen=True)
class ImageResult:
    """The answer to one image.

    Attributes:
        prediction: The answer.
        nearest_images: The training cases most like the image; None where nobody asked, or the model does not name them.
        lesion: Shape, colours and size of the lesion; None where nobody asked, or none was found.
    """

    prediction: Prediction
    nearest_images: tuple[NearestImage, ...] | None = None
    lesion: LesionMeasures | None = None


@dataclass(frozen=True)
class Images:
    """What is asked for.

    Attributes:
        locations: The images.
        batch_size: Images per run of the model.
        explain: Where to put a picture of each explanation, and the lesions in numbers; None for none.
        nearest_images: Dataset with the training images, to show similar ones beside each image; None not to.
        patient_of: What is known of the patient of each; None for nothing.
    """

    locations: list[str]
    batch_size: int
    explain: Path | None
    nearest_images: Path | None
    patient_of: Callable[[str], Patient] | None

    def predicted(self, model: Predictor) -> Iterator[ImageResult | Failure]:
        """Yield the answers in the order of the images; each is explained before it is handed on."""
        if self.explain is not None:
            yield from self._measured(self._explained(model, self.explain), self.explain)
            return
        for result in model.predict_many(self.locations, batch_size=self.batch_size, patient_of=self.patient_of):
            yield result if isinstance(result, Failure) else ImageResult(result)

    def _measured(self, results: Iterator[ImageResult | Failure], folder: Path) -> Iterator[ImageResult | Failure]:
        """Hand answers on, and write the measures of their lesions as a table."""
        with replacing(folder / LESIONS) as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["image", *MEASURES])
            for result in results:
                if isinstance(result, ImageResult):
                    writer.writerow([result.prediction.image, *cells(result.lesion)])
                yield result

    def _explained(self, predictor: Predictor, folder: Path) -> Iterator[ImageResult | Failure]:
        places = None if self.nearest_images is None else _training_images(predictor, self.nearest_images)
        overlays = OverlayFolder(folder, self.locations)
        beside = None if places is None else NearestImageFolder(folder, places, self.locations)
        results = predictor.explain_many(self.locations, batch_size=self.batch_size, patient_of=self.patient_of)
        for location, result in zip(self.locations, results, strict=True):
            if isinstance(result, Failure):
                yield result
                continue
            prediction, nearest = result.prediction, result.nearest_images
            try:
                if result.explanation is not None:  # an abstention has no map
                    overlays.write(location, prediction, result.explanation)
                if beside is not None:
                    beside.write(location, prediction, nearest or ())
            except ImageError as error:  # it could be read a moment ago
                yield Failure(image=prediction.image, error=str(error))
            else:
                yield ImageResult(prediction, nearest, result.lesion)


def _training_images(predictor: Predictor, dataset: Path) -> dict[str, str]:
    """Return the places of a model's training images in a dataset by their identifiers."""
    index, model = predictor.bundle.training_images, predictor.info.identity
    if index is None:
        raise UsageError(f"--nearest-images: {model} does not name its training images; export its run again")
    named = set(index.image_id.tolist())
    manifest = read_dataset(dataset)
    places = {r.image_id: manifest.location(r) for r in manifest if r.image_id.encode() in named}
    if not places:
        raise UsageError(f"--nearest-images {dataset}: it holds none of the images that {model} was trained on")
    return places
