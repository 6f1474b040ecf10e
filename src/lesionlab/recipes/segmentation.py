"""Settings of the training of a segmentation model."""

from pydantic import Field

from lesionlab.base_models import StrictModel
from lesionlab.recipes.augmentation import AugmentationSettings
from lesionlab.recipes.data import SplitSettings


class SegmentationSettings(StrictModel):
    """Settings of a small lesion segmentation network.

    Attributes:
        encoder: timm's name of a backbone; its ImageNet weights are loaded like those of classifiers.
        depth: Number of times that the encoder halves the image. Deeper layers are omitted.
        decoder: Channels of the decoder, from deep to shallow, one per halving.
        size: Side of the input in pixels, a multiple of 2 to the power of `depth`.
        through: Side of the square that the image is first reduced to: the classifier's input, so that the image is
            decoded and reduced once for both.
        epochs: Passes over the training images.
        batch_size: Images per step.
        learning_rate: Highest learning rate.
        weight_decay: Weight decay, not applied to biases and normalisation.
        compile: Whether to compile the network where this pays off; see `TrainingSettings.compile`.
        seed: Seed of all random numbers.
        split: Split of the data; by default that of the classifiers, so that both leave out the same lesions.
        augmentation: Random changes of training images. Colours vary more than for a classifier, since the outline does
            not depend on them.
        licence: Licence of the trained weights.
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
