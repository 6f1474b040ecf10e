"""What a recipe may say. A recipe is data: a TOML file that this schema accepts, and nothing else."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Range = Annotated[tuple[float, float], Field(description="lowest and highest value")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SplitSettings(_Table):
    """How the data is divided where no split file is given; see `lesionlab.data.make_split`."""

    validation: float = Field(default=0.15, gt=0, lt=0.5)
    test: float = Field(default=0.15, ge=0, lt=0.5)
    seed: int = 0
    by_image: bool = False


class InputSettings(_Table):
    """What the network sees; see `lesionlab.images.Preprocessing`."""

    size: int = Field(default=224, ge=32, le=1024)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)


class ModelSettings(_Table):
    """The network: any backbone that timm knows, with a linear layer on its pooled features.

    Attributes:
        backbone: timm's name of the architecture.
        pretrained: Whether to start from ImageNet weights. If they cannot be found, training does not start.
        dropout: Probability of dropping a pooled feature.
        drop_path: Probability of dropping a residual branch (stochastic depth).
    """

    backbone: str
    pretrained: bool = True
    dropout: float = Field(default=0.2, ge=0, lt=1)
    drop_path: float = Field(default=0.0, ge=0, lt=1)


class AugmentationSettings(_Table):
    """Random changes to training images that do not change the diagnosis.

    Attributes:
        flip: Whether to mirror left-right and top-bottom, each with probability 1/2.
        rotation: Largest rotation either way, in degrees.
        scale: Range of the zoom; above 1 the lesion grows.
        stretch: Largest change of the aspect ratio: 0.1 means from 1/1.1 to 1.1.
        translation: Largest shift either way, as a share of the side.
        brightness: Largest relative change of brightness.
        contrast: Largest relative change of contrast.
        saturation: Largest relative change of saturation.
        colour_cast: Largest relative change of one channel against the others (white balance of the camera).
        erase: Probability of covering one rectangle with the mean colour.
    """

    flip: bool = True
    rotation: float = Field(default=180.0, ge=0, le=180)
    scale: Range = (0.8, 1.25)
    stretch: float = Field(default=0.1, ge=0, lt=1)
    translation: float = Field(default=0.1, ge=0, lt=0.5)
    brightness: float = Field(default=0.2, ge=0, lt=1)
    contrast: float = Field(default=0.2, ge=0, lt=1)
    saturation: float = Field(default=0.2, ge=0, lt=1)
    colour_cast: float = Field(default=0.05, ge=0, lt=1)
    erase: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _scale_is_a_range(self) -> "AugmentationSettings":
        if not 0.1 <= self.scale[0] <= self.scale[1] <= 10:
            raise ValueError("scale must be a range such as [0.8, 1.25], between 0.1 and 10")
        return self


class LossSettings(_Table):
    """Cross-entropy.

    Attributes:
        class_weights: `none`; `balanced` (inverse frequency); or `sqrt_balanced`, its square root, which
            helps the rare classes at a smaller cost in calibration. Frequencies are those of the training part.
        label_smoothing: Share of the target that is spread over all classes.
    """

    class_weights: Literal["none", "sqrt_balanced", "balanced"] = "sqrt_balanced"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)


class OptimizerSettings(_Table):
    """AdamW with a linear warm-up and a cosine decay to zero."""

    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    warmup_epochs: float = Field(default=1.0, ge=0)
    gradient_clip: float = Field(default=1.0, gt=0)


class TrainingSettings(_Table):
    """The loop.

    Attributes:
        epochs: Passes over the training part.
        batch_size: Images per step.
        precision: `auto` computes in bfloat16 where the hardware does so natively, else in float32.
        ema_decay: Decay per step of the moving average of the weights, which is what is validated and shipped;
            0 turns it off.
        compile: Whether to fuse the network's operations before training. It costs a minute or two at the start
            and saves about a third of every epoch; on a CPU it needs a C++ compiler and is left out without one.
        monitor: Validation metric that the best checkpoint and early stopping go by.
        patience: Epochs without improvement after which training stops; 0 never stops early.
    """

    epochs: int = Field(default=15, ge=1)
    batch_size: int = Field(default=32, ge=2)
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    compile: bool = False
    monitor: Literal["balanced_accuracy", "macro_auc", "loss"] = "balanced_accuracy"
    patience: int = Field(default=0, ge=0)


class InferenceSettings(_Table):
    """What the exported model does with a trained network. It does not change training.

    Attributes:
        views: `one` judges the image as it is; `flips` averages over the image and its three mirror images, at
            four times the computation.
        prior_exponent: How far the probabilities are moved from the dataset's class frequencies, at 0, towards
            equal ones, at 1: each logit is lowered by this times the logarithm of its class' frequency in the
            training part (logit adjustment, Menon et al., ICLR 2021). It finds more of the rare classes and
            calls fewer lesions by the name of the most frequent one.
    """

    views: Literal["one", "flips"] = "one"
    prior_exponent: float = Field(default=0.0, ge=0, le=1)


class Recipe(_Table):
    """A whole recipe.

    Attributes:
        name: Name by which it is called and which the model carries.
        description: What it is, in a sentence.
        seed: Everything random follows from it.
        licence: Licence of the weights that come out.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str
    seed: int = Field(default=0, ge=0, lt=2**32)
    licence: str = "unspecified"
    split: SplitSettings = SplitSettings()
    input: InputSettings = InputSettings()
    model: ModelSettings
    augmentation: AugmentationSettings = AugmentationSettings()
    loss: LossSettings = LossSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    training: TrainingSettings = TrainingSettings()
    inference: InferenceSettings = InferenceSettings()
