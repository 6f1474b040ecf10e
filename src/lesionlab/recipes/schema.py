"""The schema of recipes."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lesionlab.base_models import StrictModel
from lesionlab.recipes.augmentation import AugmentationSettings
from lesionlab.recipes.data import DataSettings, SamplingSettings, SplitSettings
from lesionlab.taxonomy import TASKS, TaskName

Metric = Literal["balanced_accuracy", "accuracy", "macro_f1", "macro_auc", "within_source_auc", "histology_auc", "loss"]


class InputSettings(StrictModel):
    """Preprocessing of the network's input; see `lesionlab.images.Preprocessing`.

    Attributes:
        size: Side of the square input in pixels.
        through: Side of a smaller square that the image is reduced to first; 0 for none.
        interpolation: Filter of the resize, with antialiasing.
        mean: Mean per channel of pixels in [0, 1], subtracted inside the graph.
        std: Standard deviation per channel, divided by inside the graph.
    """

    size: int = Field(default=224, ge=32, le=1024)
    through: int = Field(default=0, ge=0, le=1024)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)


class CropSettings(StrictModel):
    """Whether the network's input is the whole image or a square around the lesion.

    Attributes:
        segmentation: Folder of the segmentation model (`lesionlab segment train`), or `default` for the one in the
            package; empty for the whole image. The model becomes part of the exported graph.
        margin: Side of the square divided by the diameter of the lesion.
        source: Side in pixels of the image before the crop; 0 for the input size. A larger one preserves the detail of
            small lesions.
    """

    segmentation: str = ""
    margin: float = Field(default=1.3, ge=1, le=4)
    source: int = Field(default=0, ge=0, le=1024)


class ModelSettings(StrictModel):
    """The network's backbone and starting weights.

    Attributes:
        backbone: timm's name of an architecture, or `plain_cnn` (see `lesionlab.training.plain_cnn`).
        pretrained: Whether to start from ImageNet weights. Missing weights are an error.
        start: A run folder of the same split, a bundle, or `default` for the model of the package, to start from
            instead; of the same network. The classes that both tasks have keep their part of the head.
        freeze: Whether to train only the head. The backbone's batch normalisation then stays in evaluation mode.
        dropout: Probability of dropping an input feature of the head.
        drop_path: Probability of dropping a residual branch (stochastic depth).
    """

    backbone: str
    pretrained: bool = True
    start: str = ""
    freeze: bool = False
    dropout: float = Field(default=0.2, ge=0, lt=1)
    drop_path: float = Field(default=0.0, ge=0, lt=1)


class HeadSettings(StrictModel):
    """The layers between the backbone's last feature map and the logits. By default one linear layer.

    Attributes:
        pool: `average` or `flatten` the feature map.
        hidden: Widths of the hidden layers.
        hidden_dropout: Dropout after each hidden layer, one value per layer; empty for none.
        activation: Activation of the hidden layers.
        batch_norm: Whether batch normalisation follows each activation.
        sigmoid: Whether a task of two classes has one output, the logit of the second class; that of the first is 0.
    """

    pool: Literal["average", "flatten"] = "average"
    hidden: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = ()
    hidden_dropout: tuple[Annotated[float, Field(ge=0, lt=1)], ...] = ()
    activation: Literal["relu", "swish", "gelu"] = "relu"
    batch_norm: bool = False
    sigmoid: bool = False

    @model_validator(mode="after")
    def _one_dropout_per_layer(self) -> "HeadSettings":
        if self.hidden_dropout and len(self.hidden_dropout) != len(self.hidden):
            raise ValueError(
                f"hidden_dropout has {len(self.hidden_dropout)} values for {len(self.hidden)} hidden layers; "
                "give one for each"
            )
        return self


class LossSettings(StrictModel):
    """Cross-entropy or focal loss, weighted by class.

    Attributes:
        kind: `cross_entropy`, or `focal` (Lin et al., ICCV 2017), which reduces the weight of easy images.
        gamma: Focusing parameter of the focal loss.
        alpha: Weight of each class by its code; empty to use `class_weights`.
        class_weights: `none`; `balanced` (inverse frequency in the training images); or `sqrt_balanced`, its square
            root, which helps rare classes at a smaller cost in calibration.
        logit_adjustment: Factor of the log class frequencies that are added to the logits during training (tau in Menon
            et al., ICLR 2021); 0 for none.
        label_smoothing: Probability that is distributed over all classes in the target.
    """

    kind: Literal["cross_entropy", "focal"] = "cross_entropy"
    gamma: float = Field(default=2.0, ge=0, le=10)
    alpha: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    class_weights: Literal["none", "sqrt_balanced", "balanced"] = "sqrt_balanced"
    logit_adjustment: float = Field(default=0.0, ge=0, le=4)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)


class DistillationSettings(StrictModel):
    """Knowledge distillation from other runs.

    Attributes:
        teachers: Folders of finished runs with the same split; their logits are averaged. Empty for none.
        start: Whether the model of `model.start` is a teacher as well, so that what it knows is not forgotten while
            images of other datasets are learned (Li and Hoiem, ECCV 2016).
        by_label: Whether an image's distillation loss is multiplied by the probability that the teachers give to its
            label: they are not followed where they are wrong.
        weight: Weight of the distillation loss; that of the label loss is 1 minus it.
        temperature: Temperature of both models' logits.
        tta: Test-time augmentation of the teachers: `none`, or `flips`, which averages over flips of the student's
            image, so that the student learns the average without computing it.
    """

    teachers: tuple[str, ...] = ()
    start: bool = False
    by_label: bool = False
    tta: Literal["none", "flips"] = "none"
    weight: float = Field(default=0.5, gt=0, le=1)
    temperature: float = Field(default=2.0, gt=0, le=20)

    @property
    def has_teacher(self) -> bool:
        """Whether there is a teacher."""
        return self.start or bool(self.teachers)


class OptimizerSettings(StrictModel):
    """The optimiser and its schedules, whose factors multiply `learning_rate`.

    Attributes:
        name: `adamw` (decoupled weight decay) or `adam`.
        learning_rate: Highest learning rate.
        weight_decay: Weight decay, not applied to biases and normalisation.
        warmup_epochs: Epochs over which the rate rises linearly from 0.
        schedule: `cosine` falls to 0 by step; `step` multiplies by `step_factor` every `step_epochs`; `plateau`
            multiplies by `plateau_factor` when the validation loss has not improved for more than `plateau_patience`
            epochs. Schedules can be combined; without any the rate is constant.
        step_epochs: Epochs between two reductions of the schedule `step`.
        step_factor: Factor of each of these reductions.
        plateau_patience: Epochs without improvement that the schedule `plateau` tolerates.
        plateau_factor: Factor of each of its reductions.
        gradient_clip: Largest norm of the gradient; 0 disables clipping.
    """

    name: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    warmup_epochs: float = Field(default=1.0, ge=0)
    schedule: tuple[Literal["cosine", "step", "plateau"], ...] = ("cosine",)
    step_epochs: int = Field(default=7, ge=1)
    step_factor: float = Field(default=0.1, gt=0, lt=1)
    plateau_patience: int = Field(default=5, ge=0)
    plateau_factor: float = Field(default=0.5, gt=0, lt=1)
    gradient_clip: float = Field(default=1.0, ge=0)


class UnfreezeSettings(StrictModel):
    """A second stage for a frozen backbone: its top layers are trained as well, from the best weights of the first.

    Attributes:
        layers: Number of layers to train, from the top; a layer is a convolution, a linear layer or a normalisation.
            0 for no second stage.
        epochs: Passes over the training images.
        learning_rate: Highest learning rate of this stage.
        unfold_batch_norm: Whether to set the statistics of batch normalisation to those of the training images first,
            without changing the network's output. For pretrained weights with folded statistics.
    """

    layers: int = Field(default=0, ge=0)
    epochs: int = Field(default=10, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    unfold_batch_norm: bool = False


class TrainingSettings(StrictModel):
    """The training loop.

    Attributes:
        epochs: Passes over the training images.
        batch_size: Images per batch. Several processes share a batch.
        accumulate: Batches per step of the optimiser, whose gradients are averaged: larger batches in the memory of
            smaller ones. Schedules and the moving average count steps. If the number does not divide the batches of an
            epoch, the last step of the epoch has fewer, whose sum is divided by the same number.
        sizes: Image sides in pixels for progressive resizing, rising to `input.size`; epochs are divided evenly among
            them. Small images take a fraction of the time. Empty for `input.size` throughout, as in validation.
        precision: `auto` uses bfloat16 if the hardware supports it natively, else float32.
        ema_decay: Decay per step of the moving average of the weights, which is validated and exported; 0 for none.
        compile: Whether to compile the network with `torch.compile` where this pays off: from 1,000 steps (images times
            epochs over batch size) per image size, and on a CPU with a C++ compiler. It takes a minute or more at the
            start and saves 10 to 30% of every epoch.
        monitor: Validation metric that selects the best epoch. `within_source_auc` is the AUC for malignancy between
            images of one source, and `histology_auc` the same between images confirmed by histopathology.
        patience: Epochs without improvement after which training stops; 0 disables early stopping.
        stop_on: Validation metric of early stopping; `monitor` for the one above.
        cached_features: Whether the features of a frozen backbone are computed once, and the head is trained on them;
            `auto` does so for every frozen backbone.
        feature_views: Number of cached augmented versions of each training image, alternating by epoch.
    """

    epochs: int = Field(default=15, ge=1)
    batch_size: int = Field(default=32, ge=2)
    accumulate: int = Field(default=1, ge=1)
    sizes: tuple[Annotated[int, Field(ge=32, le=1024)], ...] = ()
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    compile: bool = False
    monitor: Metric = "balanced_accuracy"
    patience: int = Field(default=0, ge=0)
    stop_on: Metric | Literal["monitor"] = "monitor"
    cached_features: Literal["auto", "off"] = "auto"
    feature_views: int = Field(default=2, ge=1, le=64)


class InferenceSettings(StrictModel):
    """Settings of the exported model, which do not change training.

    Attributes:
        tta: Test-time augmentation: `none`, or `flips`, the average over the image and its three flips at four times
            the computation.
        start_share: Share of the starting weights in the exported average with the trained ones, for a recipe with
            `model.start`. The average is often better than both, mostly on images of other cameras (Wortsman et al.,
            CVPR 2022).
        calibration: Calibration method (see `lesionlab.bundle.Calibration`); `auto` selects it by cross-validation over
            the validation lesions.
        prior_exponent: Exponent of the balanced decision rule: it predicts the class with the highest ratio of its
            probability to its training frequency to this power. 0 is the most probable class, 1 maximises balanced
            accuracy (Menon et al., ICLR 2021). Probabilities are unchanged.
        training_images: Whether the bundle has an index of its training images (identifier and diagnosis) for showing
            the nearest ones. Disable it if identifiers are private.
        negatives: Folder of pictures that are no dermoscopic images of a skin lesion, in one subfolder for each kind,
            which train the detector that abstains from such pictures; empty for none.
    """

    tta: Literal["none", "flips"] = "none"
    start_share: float = Field(default=0.0, ge=0, lt=1)
    calibration: Literal["auto", "temperature", "prior", "bias", "vector"] = "auto"
    prior_exponent: float = Field(default=0.0, ge=0, le=1)
    training_images: bool = True
    negatives: str = ""


class PublishedSettings(StrictModel):
    """Published results of a system, and its split protocol.

    Attributes:
        system: Short description of the system.
        figures: Published metrics, by their name in `metrics.json`.
        subset: The subset that they were measured on.
        split: The authors' split.
        oversampled_before_split: Whether classes were oversampled with copies before the split, so that copies of an
            image are in training and test.
        note: Remark on the published metrics.
    """

    system: str
    figures: dict[str, float]
    subset: Literal["validation", "test"] = "test"
    split: SplitSettings
    oversampled_before_split: bool = False
    note: str = ""


class Recipe(StrictModel):
    """A whole recipe.

    Attributes:
        name: Name of the recipe and of its models.
        description: Description in one sentence.
        task: Classification task; see `lesionlab.taxonomy.TASKS`.
        seed: Seed of all random numbers.
        licence: Licence of the trained weights.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str
    task: TaskName = "diagnosis"
    seed: int = Field(default=0, ge=0, lt=2**32)
    licence: str = "unspecified"
    split: SplitSettings = SplitSettings()
    data: DataSettings = DataSettings()
    input: InputSettings = InputSettings()
    crop: CropSettings = CropSettings()
    model: ModelSettings
    head: HeadSettings = HeadSettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    sampling: SamplingSettings = SamplingSettings()
    loss: LossSettings = LossSettings()
    distillation: DistillationSettings = DistillationSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    training: TrainingSettings = TrainingSettings()
    unfreeze: UnfreezeSettings = UnfreezeSettings()
    inference: InferenceSettings = InferenceSettings()
    published: PublishedSettings | None = None

    @model_validator(mode="after")
    def _tables_are_consistent(self) -> "Recipe":
        classes = TASKS[self.task].classes
        linear = not self.head.hidden and self.head.pool == "average"
        for wrong, message in (
            (self.head.sigmoid and len(classes) != 2, f"head.sigmoid: task {self.task} has {len(classes)} classes"),
            (
                bool(self.loss.alpha) and set(self.loss.alpha) != set(classes),
                f"loss.alpha must name each class of task {self.task} once: {', '.join(classes)}",
            ),
            (
                self.unfreeze.layers > 0 and not self.model.freeze,
                "unfreeze.layers: the backbone is not frozen; set model.freeze=true",
            ),
            (
                self.sampling.balance == "smote"
                and (not self.model.freeze or self.training.cached_features == "off" or self.unfreeze.layers > 0),
                "sampling.balance: smote works on cached features of a frozen backbone, without a second stage",
            ),
            (
                self.distillation.has_teacher and self.model.freeze,
                "distillation: not available with model.freeze, since the head is trained on cached features",
            ),
            (self.distillation.start and not self.model.start, "distillation.start requires model.start"),
            (
                self.crop.source > 0 and (not self.crop.segmentation or self.crop.source < self.input.size),
                f"crop.source requires crop.segmentation and at least input.size, {self.input.size}",
            ),
            (
                bool(self.training.sizes)
                and (
                    self.training.sizes[-1] != self.input.size
                    or list(self.training.sizes) != sorted(self.training.sizes)
                ),
                f"training.sizes must rise to input.size, {self.input.size}",
            ),
            (
                len(self.training.sizes) > self.training.epochs,
                f"training.sizes: there are more sizes than the {self.training.epochs} epochs",
            ),
            (
                bool(self.training.sizes) and (self.head.pool == "flatten" or self.model.freeze),
                "training.sizes: a frozen backbone or a flattened map requires one size",
            ),
            (
                self.inference.start_share > 0 and (not self.model.start or self.unfreeze.layers > 0),
                "inference.start_share requires model.start and a single stage",
            ),
            (
                self.inference.tta != "none" and not linear,
                "inference.tta: averaging feature maps requires average pooling and a head without hidden layers",
            ),
        ):
            if wrong:
                raise ValueError(message)
        return self

    @property
    def caches_features(self) -> bool:
        """Whether the head is trained on cached features of a frozen backbone; mixed images have none."""
        mixes = self.augmentation.mixup > 0 or self.augmentation.cutmix > 0
        return self.model.freeze and self.training.cached_features == "auto" and not mixes

    @property
    def graph_input(self) -> InputSettings:
        """Settings of the graph's input: `input`, but at the size of the image before the crop."""
        return self.input.model_copy(update={"size": self.crop.source or self.input.size})
