"""How an image becomes an answer, in words: calibration, decision, patient data and refusals of a bundle."""

from lesionlab.bundle import Bundle, BundleInfo, Calibration, DecisionRule, PatientEffects
from lesionlab.evaluation.wording import counted

_METHODS = {
    "temperature": "one temperature",
    "bias": "one temperature, and one offset for each class",
    "vector": "one temperature, and one scale and one offset for each class",
}


def calibration_words(calibration: Calibration) -> str:
    """Return how logits become probabilities."""
    pieces = ["one scale for each class"] if calibration.scales else []
    pieces += ["one offset for each class"] if calibration.offsets else []
    with_them = f", with {' and '.join(pieces)}" if pieces else ""
    return (
        f"The logits become probabilities by a softmax at temperature {calibration.temperature:.3f}{with_them} (method "
        f"`{calibration.method}`, fitted on {counted(calibration.images, 'validation image')})."
    )


def methods_words(calibration: Calibration) -> str:
    """Return which methods of calibration were compared; empty where just one was tried."""
    tried = calibration.nll_by_method
    if not tried:
        return ""
    scores = "; ".join(f"{_METHODS.get(name, name)}: {value:.4f}" for name, value in tried.items())
    chosen = "The method was chosen by cross-validation over validation lesions."
    return f"{chosen} Negative log likelihood per image: {scores}."


def decision_words(decision: DecisionRule, info: BundleInfo) -> str:
    """Return how probabilities become one answer."""
    if not decision.weights:
        return "The answer is the most probable class."
    weights = ", ".join(f"`{code}` {weight:.3g}" for code, weight in zip(info.classes, decision.weights, strict=True))
    power = "" if decision.exponent == 1 else f" to the power of {decision.exponent:g}"
    return (
        "The answer is not always the most probable class. It is the class whose probability, divided by its frequency "
        f"in the training part{power}, is the highest. This finds more of the rare classes and makes more mistakes "
        f"on the frequent ones. The probabilities stay what they are. Weights: {weights}."
    )


def patient_words(effects: PatientEffects | None) -> str:
    """Return what the model makes of the patient's age, sex and site."""
    if effects is None:
        return "The model sees the image alone. Age, sex and site of the lesion are not used."
    return (
        "Age, sex and site of the lesion may be given, and then move the probabilities by what they say of each class "
        "in the training part. What is not given changes nothing. Strength of the shift: "
        f"{effects.strength:.2f}, fitted on {counted(effects.images, 'validation image')}. Negative log likelihood "
        f"there: {effects.nll_without:.4f} by the image alone, {effects.nll_with:.4f} with patient data (in "
        "cross-validation over lesions). All other figures of this card are by the image alone."
    )


def refusal_rows(bundle: Bundle) -> list[str]:
    """Return what the model refuses to be relied on for, one sentence each; none where it refuses nothing."""
    reference = bundle.reference
    rows: list[str] = []
    if reference is None:
        return rows
    if (picture := reference.image) is not None:
        lowest, highest = float(picture.darkest), float(picture.brightest)
        extremes = f"outside {lowest:.0f} to {highest:.0f} of 255, the extremes of the training images"
        rows += [
            f"Too dark or too bright: a mean brightness {extremes}.",
            f"Nearly uniform: a contrast below {float(picture.flattest):.1f}, the lowest of the training images.",
        ]
    if (space := reference.features) is not None:
        limit = f"further than {float(space.limit):.3g} from theirs"
        beyond = "2% of the validation images lie beyond this limit."
        rows.append(f"Unlike the training images: the network's features lie {limit}. {beyond}")
    return rows
