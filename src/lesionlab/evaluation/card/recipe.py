"""A recipe in words: how a network was built and trained, for a reader who knows the field but not the package."""

from collections.abc import Mapping

from pydantic import ValidationError

from lesionlab.evaluation.card.markdown import code, plain
from lesionlab.recipes import AugmentationSettings, LossSettings, OptimizerSettings, Recipe, TrainingSettings

Row = tuple[str, str]

_FLIPS = {True: "mirrored left-right and top-bottom", "horizontal": "mirrored left-right"}
# By setting. One that is not here is told by its name and its value, so that none is left out.
_CHANGES = {
    "rotation": "turned by up to {:g} degrees",
    "scale": "zoomed by a factor from {0[0]:g} to {0[1]:g}",
    "shear": "sheared by up to {:g} degrees",
    "stretch": "stretched to one side by up to {:.0%}",
    "translation": "shifted by up to {:.0%} of the side",
    "brightness": "brightness changed by up to {:.0%}",
    "contrast": "contrast changed by up to {:.0%}",
    "saturation": "saturation changed by up to {:.0%}",
    "colour_cast": "one colour channel changed against the others by up to {:.0%}",
    "detail": "fine detail blurred or sharpened by up to {:.0%}",
    "noise": "noise added, with a standard deviation of up to {:.1%} of the range",
    "vignette": "dark around a round field of view (in {:.0%} of cases)",
    "artefacts": "hair, a ruler, ink or bubbles drawn on top (in {:.0%} of cases)",
    "erase": "one rectangle covered (in {:.0%} of cases)",
    "mixup": "mixed in pairs (mixup, Beta parameter {:g})",
    "cutmix": "given a rectangle of another image (CutMix, Beta parameter {:g})",
}
_WEIGHTS = {
    "none": "all classes weigh the same",
    "balanced": "a class weighs the more the rarer it is (inverse of its frequency in the training part)",
    "sqrt_balanced": "a class weighs the more the rarer it is (inverse root of its frequency in the training part)",
}
_BALANCE = {
    "none": "every image once in an epoch",
    "oversample": "images of rare classes repeated until all classes are as frequent as the largest",
    "undersample": "from every class as many images as the smallest has, others in each epoch",
    "smote": "points added between neighbours in feature space (SMOTE)",
}
_SCHEDULES = {
    "cosine": "falls to 0 along a cosine",
    "step": "is multiplied by {o.step_factor:g} every {o.step_epochs} epochs",
    "plateau": "is multiplied by {o.plateau_factor:g} when the validation loss has not improved for "
    "{o.plateau_patience} epochs",
}


def read_recipe(settings: Mapping[str, object]) -> Recipe | None:
    """Return a bundle's recipe, None for one of another version that cannot be read as ours."""
    try:
        return Recipe.model_validate(settings)
    except ValidationError:
        return None


def architecture(recipe: Recipe) -> str:
    """Return the network in a sentence or two."""
    model, head = recipe.model, recipe.head
    pool = "the mean" if head.pool == "average" else "all values"
    if head.hidden:
        norm = " and batch normalisation" if head.batch_norm else ""
        widths = ", ".join(map(str, head.hidden))
        layers = f"hidden layers of width {widths} ({head.activation}{norm}) and a linear layer"
    else:
        layers = "one linear layer"
    trained = "its weights stay as they were" if model.freeze else "all layers are trained"
    if recipe.unfreeze.layers:
        trained = f"its top {recipe.unfreeze.layers} layers are trained in a second stage"
    backbone = f"Backbone {code(model.backbone)}; {trained}."
    return f"A deep neural network. {backbone} On {pool} of its last feature map: {layers}."


def training_rows(recipe: Recipe, weights: str | None) -> list[Row]:
    """Return how the network was trained, by topic.

    Args:
        recipe: The recipe.
        weights: Where the starting weights were found, None if that is not known.
    """
    found = f" Found in: {plain(weights)}." if weights and recipe.model.pretrained else ""
    images = f"{recipe.data.images:,}, drawn so that every diagnosis keeps its share" if recipe.data.images else "All"
    return [
        ("Starting weights", ("From ImageNet." if recipe.model.pretrained else "Random.") + found),
        ("Images used", f"{images}."),
        ("Augmentation", _augmentation(recipe.augmentation) + _views(recipe)),
        ("Class imbalance", f"Loss: {_class_weights(recipe.loss)}. Sampling: {_BALANCE[recipe.sampling.balance]}."),
        ("Loss", _loss(recipe.loss)),
        ("Regularisation", _regularisation(recipe)),
        ("Optimiser", _optimizer(recipe.optimizer)),
        ("Length", _length(recipe)),
        ("Choice of the weights", _choice(recipe.training)),
        ("Hyperparameters", "The bundle does not tell how they were chosen, or what else was tried."),
        ("Seed", f"{recipe.seed}; everything random follows from it."),
    ]


def _length(recipe: Recipe) -> str:
    training, second = recipe.training, recipe.unfreeze
    sizes = f", at {', '.join(map(str, training.sizes))} pixels in turn" if training.sizes else ""
    said = [f"{_count(training.epochs, 'epoch')} in batches of {training.batch_size} images{sizes}."]
    if training.patience:
        metric = training.monitor if training.stop_on == "monitor" else training.stop_on
        said.append(f"It ends after {training.patience} epochs without a better validation {_words(metric)}.")
    if second.layers:
        rate = f"learning rate {second.learning_rate:g}"
        said.append(f"Then a second stage of {_count(second.epochs, 'epoch')}, highest {rate}.")
    return ("At most " if training.patience else "") + " ".join(said)


def _choice(training: TrainingSettings) -> str:
    best = "lowest" if training.monitor == "loss" else "highest"
    average = f" They are a moving average over the steps (decay {training.ema_decay:g})." if training.ema_decay else ""
    return f"Those of the epoch with the {best} validation {_words(training.monitor)}.{average}"


def _augmentation(settings: AugmentationSettings) -> str:
    untouched = AugmentationSettings.none().model_dump()
    changed = {name: value for name, value in settings.model_dump().items() if value != untouched[name]}
    if not changed:
        return "None."
    flip = changed.pop("flip", None)
    said = [] if flip is None else [_FLIPS[flip]]
    said += [_CHANGES.get(name, f"{_words(name)} {{}}").format(value) for name, value in changed.items()]
    return f"Training images only, at random: {'; '.join(said)}."


def _views(recipe: Recipe) -> str:
    if not recipe.model.freeze or recipe.training.cached_features == "off":
        return ""
    versions = _count(recipe.training.feature_views, "version")
    return f" Features of the frozen backbone were computed once, for {versions} of each image."


def _regularisation(recipe: Recipe) -> str:
    hidden = recipe.head.hidden_dropout
    after = f", after the hidden layers {', '.join(f'{share:g}' for share in hidden)}" if hidden else ""
    return f"Dropout before the head {recipe.model.dropout:g}{after}. Stochastic depth {recipe.model.drop_path:g}."


def _class_weights(settings: LossSettings) -> str:
    if settings.alpha:
        return "weights by class: " + ", ".join(f"`{name}` {weight:g}" for name, weight in settings.alpha.items())
    return _WEIGHTS[settings.class_weights]


def _loss(settings: LossSettings) -> str:
    said = ["Cross-entropy" if settings.kind == "cross_entropy" else f"Focal loss, gamma {settings.gamma:g}"]
    if settings.logit_adjustment:
        said.append(f"class frequencies added to the logits in training (tau {settings.logit_adjustment:g})")
    said.append(f"label smoothing {settings.label_smoothing:g}" if settings.label_smoothing else "no label smoothing")
    return "; ".join(said) + "."


def _optimizer(settings: OptimizerSettings) -> str:
    name = {"adamw": "AdamW", "adam": "Adam"}[settings.name]
    schedules = " and ".join(_SCHEDULES[schedule].format(o=settings) for schedule in settings.schedule)
    rise = f"rises from 0 over {_count(settings.warmup_epochs, 'epoch')}, then " if settings.warmup_epochs else ""
    clip = f"Gradients are clipped at norm {settings.gradient_clip:g}." if settings.gradient_clip else ""
    rate = f"highest learning rate {settings.learning_rate:g}, weight decay {settings.weight_decay:g}"
    return f"{name}, {rate}. The rate {rise}{schedules or 'stays'}. {clip}".strip()


def _words(name: str) -> str:
    return name.replace("_", " ")


def _count(number: float, unit: str) -> str:
    return f"{number:g} {unit}" + ("" if number == 1 else "s")
