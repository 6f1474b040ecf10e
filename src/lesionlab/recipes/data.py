"""Schema of a recipe's data: which images are used, how they are split, and how often they are drawn."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lesionlab.base_models import StrictModel


class SplitSettings(StrictModel):
    """How the data is split if no split file is given; see `lesionlab.data.make_split`.

    Attributes:
        validation: Fraction of the lesions for validation.
        test: Fraction of the lesions for the test.
        seed: Seed of the assignment.
        by_image: Split images instead of lesions. All figures are then leaky.
    """

    validation: float = Field(default=0.15, gt=0, lt=0.5)
    test: float = Field(default=0.15, ge=0, lt=0.5)
    seed: int = 0
    by_image: bool = False


class DataSettings(StrictModel):
    """Which images of the dataset are used.

    Attributes:
        images: Number of images, drawn in proportion to the diagnoses; 0 uses all. The test subset of a split by
            lesion is not reduced.
        other_diagnoses: Images whose label determines no class of the task, such as squamous cell carcinoma for the
            seven diagnoses: an error, or left out and counted. `partial` uses those whose label allows several classes,
            such as `benign`: they are trained by the sum of these classes' probabilities.
        image_type: The type of images that is used, of a dataset with dermoscopic and clinical ones.
    """

    images: int = Field(default=0, ge=0)
    other_diagnoses: Literal["error", "leave-out", "partial"] = "error"
    image_type: Literal["dermoscopic", "clinical"] = "dermoscopic"


class SamplingSettings(StrictModel):
    """Sampling of the training images in an epoch.

    Attributes:
        balance: `none`; `oversample` repeats images until every class has the size of the largest; `undersample` draws
            the size of the smallest class from each class, anew in each epoch; `smote` interpolates between neighbours
            in feature space (Chawla et al., JAIR 2002), for a frozen backbone only.
        independence: Exponent of P(source) P(malignancy) / P(source, malignancy), by which the images of a source and
            malignancy are drawn more or less often. With 1 the source says nothing about malignancy in an epoch, except
            as far as `most_often` limits it; 0 uses every image once.
        weights: Factors of the frequency at which the images of a source, dataset or kind of confirmation are drawn:
            `follow_up = 0.3`, `isic2020 = 0.5`.
        most_often: Limit on how often an image is drawn in an epoch, on average.
    """

    balance: Literal["none", "oversample", "undersample", "smote"] = "none"
    independence: float = Field(default=0.0, ge=0, le=1)
    weights: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    most_often: float = Field(default=4.0, ge=1)

    @property
    def weighted(self) -> bool:
        """Whether images are drawn at different frequencies."""
        return self.independence > 0 or bool(self.weights)

    @model_validator(mode="after")
    def _one_kind(self) -> "SamplingSettings":
        if self.balance != "none" and self.weighted:
            raise ValueError("balance cannot be combined with independence or weights")
        return self
