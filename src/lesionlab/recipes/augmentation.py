"""What a recipe may say of augmentation, and what every table of a recipe has in common."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Range = Annotated[tuple[float, float], Field(description="lowest and highest value")]


def _zero_or_enough(parameter: float) -> float:
    # In single precision a Beta distribution with a smaller parameter breaks down.
    if parameter != 0 and parameter < 0.01:
        raise ValueError("must be 0, for none, or at least 0.01")
    return parameter


Mixing = Annotated[float, Field(le=10), AfterValidator(_zero_or_enough)]


class RecipeTable(BaseModel):
    """A table of a recipe: read-only, and strict about keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AugmentationSettings(RecipeTable):
    """Random changes to training images that do not change the diagnosis.

    Attributes:
        flip: Whether to mirror left-right and top-bottom, each with probability 1/2; `horizontal` mirrors
            left-right only.
        rotation: Largest rotation either way, in degrees.
        scale: Range of the zoom; above 1 the lesion grows.
        shear: Largest shear either way, in degrees.
        stretch: Largest change of the aspect ratio: 0.1 means from 1/1.1 to 1.1.
        translation: Largest shift either way, as a share of the side.
        brightness: Largest relative change of brightness.
        contrast: Largest relative change of contrast.
        saturation: Largest relative change of saturation.
        colour_cast: Largest relative change of one channel against the others (white balance of the camera).
        detail: Largest share of the fine detail that is taken away, or added to, as between sharp and soft cameras.
        noise: Largest standard deviation of the sensor's noise, of 1.
        vignette: Probability that only a round field of view is lit, as through a dermatoscope's tube.
        artefacts: Probability of something that lies on the skin or the lens: hair, a ruler, ink or bubbles.
        erase: Probability of covering one rectangle with the mean colour.
        mixup: Parameter of the Beta distribution that mixes pairs of images (Zhang et al., ICLR 2018); 0 for none.
        cutmix: The same for rectangles cut from the other image (Yun et al., ICCV 2019). With both, each batch
            gets one of them by chance.
    """

    flip: bool | Literal["horizontal"] = True
    rotation: float = Field(default=180.0, ge=0, le=180)
    scale: Range = (0.8, 1.25)
    shear: float = Field(default=0.0, ge=0, lt=90)
    stretch: float = Field(default=0.1, ge=0, lt=1)
    translation: float = Field(default=0.1, ge=0, lt=0.5)
    brightness: float = Field(default=0.2, ge=0, lt=1)
    contrast: float = Field(default=0.2, ge=0, lt=1)
    saturation: float = Field(default=0.2, ge=0, lt=1)
    colour_cast: float = Field(default=0.05, ge=0, lt=1)
    detail: float = Field(default=0.0, ge=0, le=1)
    noise: float = Field(default=0.0, ge=0, le=0.5)
    vignette: float = Field(default=0.0, ge=0, le=1)
    artefacts: float = Field(default=0.0, ge=0, le=1)
    erase: float = Field(default=0.0, ge=0, le=1)
    mixup: Mixing = 0.0
    cutmix: Mixing = 0.0

    @classmethod
    def none(cls) -> "AugmentationSettings":
        """Return the settings that leave every image as it is."""
        return cls(
            flip=False,
            rotation=0,
            scale=(1, 1),
            stretch=0,
            translation=0,
            brightness=0,
            contrast=0,
            saturation=0,
            colour_cast=0,
        )

    @model_validator(mode="after")
    def _scale_is_a_range(self) -> "AugmentationSettings":
        if not 0.1 <= self.scale[0] <= self.scale[1] <= 10:
            raise ValueError("scale must be a range such as [0.8, 1.25], between 0.1 and 10")
        return self
