"""Architecture and training of the network in words, and the estimated energy of the training."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from lesionlab.bundle import BundleInfo
from lesionlab.evaluation.card.markdown import code, plain
from lesionlab.evaluation.wording import counted
from lesionlab.recipes import AugmentationSettings, LossSettings, OptimizerSettings, Recipe, TrainingSettings

Row = tuple[str, str]

# Per core of an unknown processor: Lannelongue et al., Green Algorithms, Adv. Sci. 8, 2100707 (2021).
_WATTS_PER_CORE = 12.0

_FLIPS = {True: "horizontal and vertical flips", "horizontal": "horizontal flips"}
# By setting. Other settings are listed by name and value.
_CHANGES = {
    "rotation": "rotation by up to {:g} degrees",
    "scale": "zoom by a factor from {0[0]:g} to {0[1]:g}",
    "shear": "shear by up to {:g} degrees",
    "stretch": "change of the aspect ratio by up to {:.0%}",
    "translation": "shift by up to {:.0%} of the side",
    "brightness": "brightness by up to {:.0%}",
    "contrast": "contrast by up to {:.0%}",
    "saturation": "saturation by up to {:.0%}",
    "colour_cast": "colour cast by up to {:.0%}",
    "detail": "blurring or sharpening by up to {:.0%}",
    "noise": "noise with a standard deviation of up to {:.1%} of the range",
    "vignette": "vignette with probability {:.0%}",
    "artefacts": "drawn hair, ruler, ink or bubbles with probability {:.0%}",
    "erase": "random erasing with probability {:.0%}",
    "mixup": "mixup, Beta parameter {:g}",
    "cutmix": "CutMix, Beta parameter {:g}",
}
_WEIGHTS = {
    "none": "equal class weights",
    "balanced": "class weights inverse to the class frequencies of the training set",
    "sqrt_balanced": "class weights inverse to the square roots of the class frequencies of the training set",
}
_BALANCE = {
    "none": "every image once per epoch",
    "oversample": "rare classes oversampled to the size of the largest",
    "undersample": "every class undersampled to the size of the smallest, anew in each epoch",
    "smote": "SMOTE in feature space",
}
_SCHEDULES = {
    "cosine": "cosine decay to 0",
    "step": "factor {o.step_factor:g} every {o.step_epochs} epochs",
    "plateau": "factor {o.plateau_factor:g} after {o.plateau_patience} epochs without a lower validation loss",
}


def read_recipe(settings: Mapping[str, object]) -> Recipe | None:
    """Return a bundle's recipe; None for one of another version."""
    try:
        return Recipe.model_validate(settings)
    except ValidationError:
        return None


def architecture(recipe: Recipe) -> str:
    """Return the architecture in a sentence or two."""
    model, head = recipe.model, recipe.head
    pool = "the mean" if head.pool == "average" else "all values"
    if head.hidden:
        norm = " and batch normalisation" if head.batch_norm else ""
        widths = ", ".join(map(str, head.hidden))
        layers = f"hidden layers of width {widths} ({head.activation}{norm}) and a linear layer"
    else:
        layers = "one linear layer"
    trained = "frozen" if model.freeze else "all layers trained"
    if recipe.unfreeze.layers:
        trained = f"top {recipe.unfreeze.layers} layers trained in a second stage"
    return (
        f"Neural network. Backbone {code(model.backbone)}, {trained}. Head on {pool} of its last feature map: {layers}."
    )


def training_rows(recipe: Recipe, weights: str | None) -> list[Row]:
    """Return the training by topic.

    Args:
        recipe: The recipe.
        weights: Source of the starting weights; None if unknown.
    """
    source = f" Source: {plain(weights)}." if weights and recipe.model.pretrained else ""
    images = f"{recipe.data.images:,}, stratified by diagnosis" if recipe.data.images else "All"
    return [
        ("Starting weights", ("ImageNet." if recipe.model.pretrained else "Random.") + source),
        ("Images used", f"{images}."),
        ("Augmentation", _augmentation(recipe.augmentation) + _feature_views(recipe)),
        ("Class imbalance", f"Loss: {_class_weights(recipe.loss)}. Sampling: {_BALANCE[recipe.sampling.balance]}."),
        ("Loss", _loss(recipe.loss)),
        ("Regularisation", _regularisation(recipe)),
        ("Optimiser", _optimizer(recipe.optimizer)),
        ("Length", _length(recipe)),
        ("Choice of the weights", _choice(recipe.training)),
        ("Hyperparameters", "Their search is not recorded in the bundle."),
        ("Seed", f"{recipe.seed}, for all random numbers."),
    ]


@dataclass(frozen=True, slots=True)
class Energy:
    """Estimated energy of the processor.

    Attributes:
        cores: Number of cores.
        watts: Assumed power of each core.
        kilowatt_hours: Energy of all epochs whose time is known.
    """

    cores: int
    watts: float
    kilowatt_hours: float


def estimated_energy(info: BundleInfo) -> Energy | None:
    """Return the energy of a training on a CPU; None for other devices, or if time or threads are unknown."""
    time, threads = info.training_time, info.versions.get("threads", "")
    if time is None or info.versions.get("accelerator") != "cpu" or not threads.isdecimal():
        return None
    hours = (time.seconds + (time.earlier_seconds or 0.0)) / 3600
    return Energy(int(threads), _WATTS_PER_CORE, hours * int(threads) * _WATTS_PER_CORE / 1000)


def hours(seconds: float) -> str:
    """Return a time in words: minutes below 90 minutes, else hours."""
    return counted(round(seconds / 60), "minute") if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _length(recipe: Recipe) -> str:
    training, second = recipe.training, recipe.unfreeze
    sizes = f", at {', '.join(map(str, training.sizes))} pixels in turn" if training.sizes else ""
    parts = [f"{_count(training.epochs, 'epoch')} in batches of {training.batch_size} images{sizes}."]
    if training.patience:
        metric = training.monitor if training.stop_on == "monitor" else training.stop_on
        parts.append(f"Early stopping after {training.patience} epochs without a better validation {_words(metric)}.")
    if second.layers:
        rate = f"learning rate {second.learning_rate:g}"
        parts.append(f"Second stage of {_count(second.epochs, 'epoch')}, highest {rate}.")
    return ("At most " if training.patience else "") + " ".join(parts)


def _choice(training: TrainingSettings) -> str:
    best = "lowest" if training.monitor == "loss" else "highest"
    average = (
        f" Exponential moving average of the weights (decay {training.ema_decay:g})." if training.ema_decay else ""
    )
    return f"Epoch with the {best} validation {_words(training.monitor)}.{average}"


def _augmentation(settings: AugmentationSettings) -> str:
    untouched = AugmentationSettings.none().model_dump()
    changed = {name: value for name, value in settings.model_dump().items() if value != untouched[name]}
    if not changed:
        return "None."
    flip = changed.pop("flip", None)
    parts = [] if flip is None else [_FLIPS[flip]]
    parts += [_CHANGES.get(name, f"{_words(name)} {{}}").format(value) for name, value in changed.items()]
    return f"Training images only, random: {'; '.join(parts)}."


def _feature_views(recipe: Recipe) -> str:
    if not recipe.model.freeze or recipe.training.cached_features == "off":
        return ""
    versions = _count(recipe.training.feature_views, "version")
    return f" Features of the frozen backbone were computed once for {versions} of each image."


def _regularisation(recipe: Recipe) -> str:
    hidden = recipe.head.hidden_dropout
    after = f", after the hidden layers {', '.join(f'{share:g}' for share in hidden)}" if hidden else ""
    return f"Dropout before the head {recipe.model.dropout:g}{after}. Stochastic depth {recipe.model.drop_path:g}."


def _class_weights(settings: LossSettings) -> str:
    if settings.alpha:
        return "weights by class: " + ", ".join(f"`{name}` {weight:g}" for name, weight in settings.alpha.items())
    return _WEIGHTS[settings.class_weights]


def _loss(settings: LossSettings) -> str:
    parts = ["Cross-entropy" if settings.kind == "cross_entropy" else f"Focal loss, gamma {settings.gamma:g}"]
    if settings.logit_adjustment:
        parts.append(f"logit adjustment (tau {settings.logit_adjustment:g})")
    parts.append(f"label smoothing {settings.label_smoothing:g}" if settings.label_smoothing else "no label smoothing")
    return "; ".join(parts) + "."


def _optimizer(settings: OptimizerSettings) -> str:
    name = {"adamw": "AdamW", "adam": "Adam"}[settings.name]
    schedules = " and ".join(_SCHEDULES[schedule].format(o=settings) for schedule in settings.schedule)
    warmup = f"warm-up over {_count(settings.warmup_epochs, 'epoch')}, then " if settings.warmup_epochs else ""
    clip = f"Gradient clipping at norm {settings.gradient_clip:g}." if settings.gradient_clip else ""
    rate = f"highest learning rate {settings.learning_rate:g}, weight decay {settings.weight_decay:g}"
    return f"{name}, {rate}. Schedule: {warmup}{schedules or 'constant'}. {clip}".strip()


def _words(name: str) -> str:
    return name.replace("_", " ")


def _count(number: float, unit: str) -> str:
    return f"{number:g} {unit}" + ("" if number == 1 else "s")
