"""What a recipe may say. A recipe is data: a TOML file that this schema accepts, and nothing else."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lesionlab.recipes.augmentation import AugmentationSettings, RecipeTable
from lesionlab.taxonomy import TASKS

Metric = Literal["balanced_accuracy", "accuracy", "macro_f1", "macro_auc", "loss"]


class SplitSettings(RecipeTable):
    """How the data is divided where no split file is given; see `lesionlab.data.make_split`."""

    validation: float = Field(default=0.15, gt=0, lt=0.5)
    test: float = Field(default=0.15, ge=0, lt=0.5)
    seed: int = 0
    by_image: bool = False


class DataSettings(RecipeTable):
    """Which images of the dataset are used.

    Attributes:
        images: Number of images, drawn so that every diagnosis keeps its share; 0 uses all. The test part of a
            split by lesion stays whole.
    """

    images: int = Field(default=0, ge=0)


class InputSettings(RecipeTable):
    """What the network sees; see `lesionlab.images.Preprocessing`."""

    size: int = Field(default=224, ge=32, le=1024)
    through: int = Field(default=0, ge=0, le=1024)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)


class CropSettings(RecipeTable):
    """Whether the network sees the whole picture or a square around the lesion.

    Attributes:
        segmentation: Folder of the segmentation model that finds the lesion (`lesionlab segment train`), `default` for
            the one in the package; empty: the whole picture. It becomes a part of the exported graph.
        margin: Side of the square over the diameter of the lesion.
        source: Side in pixels to which the picture is brought before the square is cut out of it; 0: that of the input.
            A larger one keeps detail of lesions that fill a small part of the frame.
    """

    segmentation: str = ""
    margin: float = Field(default=1.3, ge=1, le=4)
    source: int = Field(default=0, ge=0, le=1024)


class ModelSettings(RecipeTable):
    """The network: a backbone, and what it begins with.

    Attributes:
        backbone: timm's name of an architecture, or `plain_cnn` (see `lesionlab.training.plain_cnn`).
        pretrained: Whether to start from ImageNet weights. If they cannot be found, training does not start.
        start: A run folder whose best weights to start from in place of those, head included; made with the same split
            and the same network.
        freeze: Whether the backbone keeps its weights and only the head is trained. Its batch normalisation then
            stays in evaluation mode.
        dropout: Probability of dropping a feature that enters the head.
        drop_path: Probability of dropping a residual branch (stochastic depth).
    """

    backbone: str
    pretrained: bool = True
    start: str = ""
    freeze: bool = False
    dropout: float = Field(default=0.2, ge=0, lt=1)
    drop_path: float = Field(default=0.0, ge=0, lt=1)


class HeadSettings(RecipeTable):
    """What stands between the backbone's last feature map and the logits. By default one linear layer.

    Attributes:
        pool: `average` over the map, or `flatten` it.
        hidden: Widths of the hidden layers.
        hidden_dropout: Dropout after each hidden layer, one number for each of them; empty for none.
        activation: Activation of the hidden layers.
        batch_norm: Whether batch normalisation follows each activation.
        sigmoid: One output instead of two, for tasks of two classes: the logit of the second class, that of the
            first being 0.
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
                f"hidden_dropout has {len(self.hidden_dropout)} numbers for {len(self.hidden)} hidden layers; "
                "give one for each"
            )
        return self


class LossSettings(RecipeTable):
    """Cross-entropy or focal loss, weighted by class.

    Attributes:
        kind: `cross_entropy`, or `focal` (Lin et al., ICCV 2017), which lowers the weight of easy images.
        gamma: Focusing parameter of the focal loss.
        alpha: Weight of each class by its code, in place of `class_weights`; empty to go by those.
        class_weights: `none`; `balanced` (inverse frequency); or `sqrt_balanced`, its square root, which
            helps the rare classes at a smaller cost in calibration. Frequencies are those of the training part.
        logit_adjustment: How far class frequencies are added to the logits during training, so that the network
            learns to do without them (tau in Menon et al., ICLR 2021); 0 for none.
        label_smoothing: Share of the target that is spread over all classes.
    """

    kind: Literal["cross_entropy", "focal"] = "cross_entropy"
    gamma: float = Field(default=2.0, ge=0, le=10)
    alpha: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    class_weights: Literal["none", "sqrt_balanced", "balanced"] = "sqrt_balanced"
    logit_adjustment: float = Field(default=0.0, ge=0, le=4)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)


class DistillationSettings(RecipeTable):
    """What other runs teach beside the labels.

    Attributes:
        teachers: Folders of finished runs with the same split; their logits are averaged. Empty for none.
        weight: Share of the teachers in the loss; the rest goes by the labels.
        temperature: What both models' logits are divided by when they are compared.
        tta: What the teachers are asked about: `none`, the student's own view of an image, or `flips`, that and its
            three mirror images, whose mean answer a student then learns to give at a glance. It may be its own teacher.
    """

    teachers: tuple[str, ...] = ()
    tta: Literal["none", "flips"] = "none"
    weight: float = Field(default=0.5, gt=0, le=1)
    temperature: float = Field(default=2.0, gt=0, le=20)


class SamplingSettings(RecipeTable):
    """How often an image of the training part is met in an epoch. The other parts stay as they are.

    Attributes:
        balance: `none`; `oversample` repeats images until every class is as frequent as the largest;
            `undersample` draws as many of every class as the smallest has, others in each epoch; `smote` adds
            points between neighbours in feature space (Chawla et al., JAIR 2002), for a frozen backbone only.
    """

    balance: Literal["none", "oversample", "undersample", "smote"] = "none"


class OptimizerSettings(RecipeTable):
    """The optimiser and its learning rate: that of `learning_rate` times the factor of each schedule.

    Attributes:
        name: `adamw` with decoupled weight decay, or `adam`.
        learning_rate: Highest learning rate.
        weight_decay: Not applied to biases and normalisation.
        warmup_epochs: Epochs over which the rate rises linearly from 0.
        schedule: `cosine` falls to 0 by the step; `step` multiplies by `step_factor` every `step_epochs`;
            `plateau` multiplies by `plateau_factor` when the validation loss has not improved for more than
            `plateau_patience` epochs. Several may be named; none keeps the rate.
        gradient_clip: Largest norm of the gradient; 0 clips nothing.
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


class UnfreezeSettings(RecipeTable):
    """A second stage for a frozen backbone: its top layers are trained too, from the best weights of the first.

    Attributes:
        layers: Number of layers to train, from the top; a layer is a convolution, a linear layer or a
            normalisation. 0: there is no second stage.
        epochs: Passes over the training part.
        learning_rate: Highest learning rate of this stage.
    """

    layers: int = Field(default=0, ge=0)
    epochs: int = Field(default=10, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)


class TrainingSettings(RecipeTable):
    """The loop.

    Attributes:
        epochs: Passes over the training part.
        batch_size: Images per step.
        sizes: Sides of the images in pixels that the epochs are shared out among, from small to `input.size`
            (progressive resizing): a network learns most of what it knows from small images, at a fraction of the
            time. Empty: `input.size` throughout. Validation always sees `input.size`.
        precision: `auto` computes in bfloat16 where the hardware does so natively, else in float32.
        ema_decay: Decay per step of the moving average of the weights, which is what is validated and shipped;
            0 turns it off.
        compile: Whether to fuse the network's operations before training. It costs a minute or two at the start
            and saves about a third of every epoch; on a CPU it needs a C++ compiler and is left out without one.
        monitor: Validation metric that the best checkpoint and early stopping go by.
        patience: Epochs without improvement after which training stops; 0 never stops early.
        stop_on: Validation metric that this patience goes by; `monitor` for the one above.
        cached_features: Whether the features of a frozen backbone are computed once, and the head is trained on
            them; `auto` does so wherever a backbone is frozen.
        feature_views: Number of augmented versions of each training image that are then computed; epochs take
            turns among them.
    """

    epochs: int = Field(default=15, ge=1)
    batch_size: int = Field(default=32, ge=2)
    sizes: tuple[Annotated[int, Field(ge=32, le=1024)], ...] = ()
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    compile: bool = False
    monitor: Metric = "balanced_accuracy"
    patience: int = Field(default=0, ge=0)
    stop_on: Metric | Literal["monitor"] = "monitor"
    cached_features: Literal["auto", "off"] = "auto"
    feature_views: int = Field(default=2, ge=1, le=64)


class InferenceSettings(RecipeTable):
    """What the exported model does with a trained network. It does not change training.

    Attributes:
        tta: `none` judges the image as it is; `flips` averages over the image and its three mirror images, at
            four times the computation.
        start_share: Share of the weights that training started from in those that are exported, for a recipe with
            `model.start`. The mean of a network and what it was fine-tuned from is often better than either, on other
            cameras above all (Wortsman et al., CVPR 2022), and costs nothing.
        calibration: How logits become probabilities (see `lesionlab.bundle.Calibration`); `auto` takes the method
            that does best in cross-validation over the validation part's lesions.
        prior_exponent: How far the answer is moved from the most probable class, at 0, towards rare ones: that of
            the highest probability divided by the class' frequency in the training part to this power. 1 is the rule
            of the highest balanced accuracy (Menon et al., ICLR 2021). The probabilities stay what they are.
        training_images: Whether the bundle holds an index of its training images (identifier and diagnosis), so that the
            nearest ones can be shown. Set it to false for a dataset whose identifiers are private.
    """

    tta: Literal["none", "flips"] = "none"
    start_share: float = Field(default=0.0, ge=0, lt=1)
    calibration: Literal["auto", "temperature", "bias", "vector"] = "auto"
    prior_exponent: float = Field(default=0.0, ge=0, le=1)
    training_images: bool = True


class PublishedSettings(RecipeTable):
    """What the authors of a system published, and the arrangement of the data that their figures come from.

    Attributes:
        system: What the system was, in a few words.
        figures: Their figures by name of the metric, as `metrics.json` names them.
        part: Which part the figures come from.
        split: How the authors divided the data.
        oversampled_before_split: Whether every class was filled up with copies of its images before the data were
            divided, so that copies of one image stand on both sides.
        note: What a reader of the figures should know.
    """

    system: str
    figures: dict[str, float]
    subset: Literal["validation", "test"] = "test"
    split: SplitSettings
    oversampled_before_split: bool = False
    note: str = ""


class Recipe(RecipeTable):
    """A whole recipe.

    Attributes:
        name: Name by which it is called and which the model carries.
        description: What it is, in a sentence.
        task: What the model tells apart; see `lesionlab.taxonomy.TASKS`.
        seed: Everything random follows from it.
        licence: Licence of the weights that come out.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str
    task: Literal["diagnosis", "malignant", "melanoma"] = "diagnosis"
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
    def _pieces_fit_together(self) -> "Recipe":
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
                bool(self.distillation.teachers) and self.model.freeze,
                "distillation.teachers: a head on cached features sees no images that a teacher could be asked about",
            ),
            (
                self.crop.source > 0 and (not self.crop.segmentation or self.crop.source < self.input.size),
                f"crop.source goes with crop.segmentation and is at least input.size, {self.input.size}",
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
                f"training.sizes: {self.training.epochs} epochs cannot be shared out among them",
            ),
            (
                bool(self.training.sizes) and (self.head.pool == "flatten" or self.model.freeze),
                "training.sizes: a frozen backbone or a flattened map needs one size",
            ),
            (
                self.inference.start_share > 0 and (not self.model.start or self.unfreeze.layers > 0),
                "inference.start_share: there is nothing to share with; it goes with model.start, in one stage",
            ),
            (
                self.inference.tta != "none" and not linear,
                "inference.tta: averages of feature maps need a head without hidden layers on an average pool",
            ),
        ):
            if wrong:
                raise ValueError(message)
        return self

    @property
    def picture(self) -> InputSettings:
        """What is done to a picture before it enters the graph: `input`, but at the size that a square is cut from."""
        return self.input.model_copy(update={"size": self.crop.source or self.input.size})
