"""Schema of a recipe's augmentation."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lesionlab.base_models import StrictModel

Range = Annotated[tuple[float, float], Field(description="lowest and highest value")]


def _zero_or_large_enough(parameter: float) -> float:
    # In single precision a Beta distribution with a smaller parameter is not numerically stable.
    if parameter != 0 and parameter < 0.01:
        raise ValueError("must be 0, for none, or at least 0.01")
    return parameter


Mixing = Annotated[float, Field(le=10), AfterValidator(_zero_or_large_enough)]


class AugmentationSettings(StrictModel):
    """Random changes of training images that preserve the diagnosis.

    Attributes:
        flip: Whether to flip left-right and top-bottom, each with probability 1/2; `horizontal` flips left-right only.
        rotation: Largest rotation in either direction, in degrees.
        scale: Range of the zoom factor; values above 1 enlarge the lesion.
        shear: Largest shear in either direction, in degrees.
        stretch: Largest change of the aspect ratio: 0.1 means from 1/1.1 to 1.1.
        translation: Largest shift in either direction, as a fraction of the side.
        brightness: Largest relative change of brightness.
        contrast: Largest relative change of contrast.
        saturation: Largest relative change of saturation.
        colour_cast: Largest relative change of a colour channel (white balance).
        colour_exchange: Probability of the skin colour of another image of the batch: its mean colour at the border.
            What a camera or clinic does to colours then says less about the diagnosis.
        detail: Largest change of fine detail in either direction (blur and sharpening), as a fraction.
        noise: Largest standard deviation of sensor noise; pixels range from 0 to 1.
        vignette: Probability of a dark border around a round field of view.
        artefacts: Probability of an artefact: hair, a ruler, ink or gel bubbles.
        erase: Probability of filling a rectangle with the mean colour.
        mixup: Parameter of MixUp's Beta distribution (Zhang et al., ICLR 2018); 0 disables it.
        cutmix: Parameter of CutMix's Beta distribution (Yun et al., ICCV 2019); 0 disables it. With both, one of them
            is drawn for each batch.
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
    colour_exchange: float = Field(default=0.0, ge=0, le=1)
    detail: float = Field(default=0.0, ge=0, le=1)
    noise: float = Field(default=0.0, ge=0, le=0.5)
    vignette: float = Field(default=0.0, ge=0, le=1)
    artefacts: float = Field(default=0.0, ge=0, le=1)
    erase: float = Field(default=0.0, ge=0, le=1)
    mixup: Mixing = 0.0
    cutmix: Mixing = 0.0

    @classmethod
    def none(cls) -> "AugmentationSettings":
        """Return the settings that change nothing."""
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
