"""What the training of a segmentation model may be told."""

from pydantic import Field

from lesionlab.recipes.augmentation import AugmentationSettings, RecipeTable
from lesionlab.recipes.schema import SplitSettings


class SegmentationSettings(RecipeTable):
    """A small network that draws the outline of the lesion.

    Attributes:
        encoder: timm's name of a backbone; its ImageNet weights are looked for as for classifiers.
        depth: How many times the encoder halves the picture. Its layers beyond that are left out.
        decoder: Channels of the decoder, from deep to shallow, one for each halving.
        size: Side of the input in pixels, a multiple of 2 to the power of `depth`.
        through: Side of the square that the picture is reduced to first: a classifier's input, so that a picture is
            decoded and reduced once for both.
        epochs: Passes over the training part.
        batch_size: Images per step.
        learning_rate: Highest learning rate.
        weight_decay: Not applied to biases and normalisation.
        compile: Whether to fuse the network's operations before training, where there is a compiler.
        seed: Everything random follows from it.
        split: How the data are divided; that of the classifiers by default, so that both leave out the same lesions.
        augmentation: Random changes of training images. Colours vary further than for a classifier: an outline is
            where it is in any light.
        licence: Licence of the weights that come out.
    """

    encoder: str = "tf_efficientnet_lite0"
    depth: int = Field(default=4, ge=3, le=5)
    decoder: tuple[int, ...] = (48, 32, 16, 8)
    size: int = Field(default=96, ge=32, le=1024)
    through: int = Field(default=224, ge=0, le=1024)
    epochs: int = Field(default=8, ge=1)
    batch_size: int = Field(default=32, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    compile: bool = True
    seed: int = Field(default=0, ge=0, lt=2**32)
    split: SplitSettings = SplitSettings()
    augmentation: AugmentationSettings = AugmentationSettings(
        scale=(0.6, 1.6),
        stretch=0.2,
        translation=0.2,
        brightness=0.3,
        contrast=0.3,
        saturation=0.4,
        colour_cast=0.15,
        detail=0.5,
        noise=0.02,
        vignette=0.15,
        artefacts=0.3,
    )
    licence: str = "CC-BY-NC-4.0"
