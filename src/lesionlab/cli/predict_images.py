"""Predictions of `lesionlab predict`, with their explanations."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lesionlab.bundle import ImageType, Patient
from lesionlab.cli.console import note
from lesionlab.errors import ImageError, UsageError
from lesionlab.files import replacing
from lesionlab.prediction import Lesion, Predictor
from lesionlab.prediction.explanation.nearest_figure import NearestImageFolder
from lesionlab.prediction.explanation.overlay import OverlayFolder
from lesionlab.prediction.io.lesions import lesions_of_table, pairs, with_patients
from lesionlab.results import Failure, LesionMeasures, NearestImage, Prediction
from lesionlab.segmentation.write import MEASURES, cells

LESIONS = "lesions.csv"


@dataclass(frozen=True)
class ImageResult:
    """The result for one image.

    Attributes:
        prediction: The prediction.
        nearest_images: The nearest training images; None without `--explain` or for a model without their index.
        lesion: Measures of the lesion; None without `--explain` or where no lesion was found.
    """

    prediction: Prediction
    nearest_images: tuple[NearestImage, ...] | None = None
    lesion: LesionMeasures | None = None


@dataclass(frozen=True)
class Grouping:
    """How images are grouped by lesion.

    Attributes:
        table: Table with one row per image; None: dermoscopic and clinical images are paired by their names.
        column: Its column of the lesion.
        clinical: Images that are named as clinical ones.
    """

    table: Path | None
    column: str
    clinical: list[str]

    def lesions(self, locations: list[str], types: tuple[ImageType, ...]) -> list[Lesion]:
        """Return the lesions of images, for a model that takes these types of images.

        Raises:
            UsageError: Clinical images are named, and the model does not take them; or the images cannot be grouped.
        """
        if self.clinical and "clinical" not in types:
            raise UsageError(
                f"--clinical: the model takes {' and '.join(types)} images; combine it with a model for clinical ones "
                "by `lesionlab fuse`"
            )
        others = set(self.clinical)
        images = [location for location in locations if location not in others]
        if self.table is None:
            return pairs(images, self.clinical, types, note)
        return lesions_of_table(self.table, self.column, images, self.clinical, types, note)


@dataclass(frozen=True)
class PredictionRun:
    """Images to predict.

    Attributes:
        locations: The images.
        batch_size: Images per inference run.
        explain: Folder for heat maps and measures of the lesions; None for no explanations.
        nearest_images: Dataset with the training images, for figures of the nearest ones; None for no figures.
        patient_of: Returns the patient data of an image; None for no patient data.
        grouping: How images are grouped by lesion; None for one result per image.
        lesions: The lesions, of a grouped run.
    """

    locations: list[str]
    batch_size: int
    explain: Path | None
    nearest_images: Path | None
    patient_of: Callable[[str], Patient] | None
    grouping: Grouping | None = None
    lesions: tuple[Lesion, ...] = ()

    def grouped(self, model: Predictor) -> "PredictionRun":
        """Return the run with its lesions, from images of the types that a model takes."""
        if self.grouping is None:
            return self
        lesions = self.grouping.lesions(self.locations, model.image_types)
        if self.patient_of is not None:
            lesions = with_patients(lesions, self.patient_of)
        return replace(self, lesions=tuple(lesions))

    @property
    def count(self) -> int:
        """Number of results."""
        return len(self.lesions or self.locations)

    def results(self, model: Predictor) -> Iterator[ImageResult | Failure]:
        """Yield the results in the order of the images. The files of an explanation are written before its result."""
        if self.explain is not None:
            yield from self._measured(self._explained(model, self.explain), self.explain)
            return
        images = model.predict_many(self.locations, batch_size=self.batch_size, patient_of=self.patient_of)
        for result in model.predict_lesions(self.lesions) if self.lesions else images:
            yield result if isinstance(result, Failure) else ImageResult(result)

    def _measured(self, results: Iterator[ImageResult | Failure], folder: Path) -> Iterator[ImageResult | Failure]:
        """Pass the results on, and write the measures of their lesions as a table."""
        with replacing(folder / LESIONS) as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["image", *MEASURES])
            for result in results:
                if isinstance(result, ImageResult):
                    writer.writerow([result.prediction.image, *cells(result.lesion)])
                yield result

    def _explained(self, predictor: Predictor, folder: Path) -> Iterator[ImageResult | Failure]:
        dataset = self.nearest_images
        training = None if dataset is None else _training_images(predictor, dataset)
        overlays = OverlayFolder(folder, self.locations)
        figures = None if training is None else NearestImageFolder(folder, training, self.locations)
        results = predictor.explain_many(self.locations, batch_size=self.batch_size, patient_of=self.patient_of)
        for location, result in zip(self.locations, results, strict=True):
            if isinstance(result, Failure):
                yield result
                continue
            prediction, nearest = result.prediction, result.nearest_images
            try:
                if result.explanation is not None:  # an abstention has no map
                    overlays.write(location, prediction, result.explanation)
                if figures is not None:
                    figures.write(location, prediction, nearest or ())
            except ImageError as error:  # the file changed since its prediction
                yield Failure(image=prediction.image, error=str(error))
            else:
                yield ImageResult(prediction, nearest, result.lesion)


def _training_images(predictor: Predictor, dataset: Path) -> dict[str, str]:
    """Return the locations of a model's training images in a dataset by their identifiers."""
    from lesionlab.data import read_dataset

    index, model = predictor.bundle.training_images, predictor.info.identity
    if index is None:
        raise UsageError(f"--nearest-images: {model} has no index of its training images; export its run again")
    named = set(index.image_id.tolist())
    manifest = read_dataset(dataset)
    locations = {r.image_id: manifest.location(r) for r in manifest if r.image_id.encode() in named}
    if not locations:
        raise UsageError(f"--nearest-images {dataset}: it holds none of the training images of {model}")
    return locations
