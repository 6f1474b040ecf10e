"""Calibration, decision rule, patient data and abstention of a bundle in words."""

from lesionlab.bundle import Bundle, BundleInfo, Calibration, DecisionRule, PatientEffects
from lesionlab.evaluation.wording import counted

_METHODS = {
    "temperature": "one temperature",
    "bias": "one temperature and one offset per class",
    "vector": "one temperature, one scale and one offset per class",
}


def calibration_words(calibration: Calibration) -> str:
    """Return the calibration in a sentence."""
    pieces = ["one scale per class"] if calibration.scales else []
    pieces += ["one offset per class"] if calibration.offsets else []
    further = f" with {' and '.join(pieces)}" if pieces else ""
    return (
        f"Calibration: softmax at temperature {calibration.temperature:.3f}{further} (method `{calibration.method}`, "
        f"fitted on {counted(calibration.images, 'validation image')})."
    )


def methods_words(calibration: Calibration) -> str:
    """Return the compared calibration methods; empty for one method."""
    if not calibration.nll_by_method:
        return ""
    scores = "; ".join(f"{_METHODS.get(name, name)}: {value:.4f}" for name, value in calibration.nll_by_method.items())
    return (
        "The calibration method was chosen by cross-validation over validation lesions. Negative log-likelihood per "
        f"image: {scores}."
    )


def decision_words(decision: DecisionRule, info: BundleInfo) -> str:
    """Return the decision rule in words."""
    if not decision.weights:
        return "Predicted class: the most probable one."
    weights = ", ".join(f"`{code}` {weight:.3g}" for code, weight in zip(info.classes, decision.weights, strict=True))
    power = "" if decision.exponent == 1 else f" to the power of {decision.exponent:g}"
    return (
        "Two predicted classes: the most probable one, which heads every result, and the balanced prediction, the "
        f"class with the highest probability divided by its frequency in the training set{power}. The balanced "
        "prediction maximises balanced accuracy. The metrics of the predicted class in this card are its metrics. "
        f"Weights: {weights}."
    )


def patient_words(effects: PatientEffects | None) -> str:
    """Return the use of the patient's age, sex and site in words."""
    if effects is None:
        return "Age, sex and site of the lesion are not used."
    return (
        "Age, sex and site of the lesion are optional. They shift the probabilities by their frequencies within each "
        f"class of the training set. Strength of the shift: {effects.strength:.2f}, fitted on "
        f"{counted(effects.images, 'validation image')}. Negative log-likelihood in cross-validation over lesions: "
        f"{effects.nll_without:.4f} from the image alone, {effects.nll_with:.4f} with patient data. All other figures "
        "of this card are from the image alone."
    )


def abstention_rows(bundle: Bundle) -> list[str]:
    """Return the limits beyond which the model abstains, one sentence each; empty for a model without limits."""
    reference = bundle.reference
    rows: list[str] = []
    if reference is None:
        return rows
    if (limits := reference.image) is not None:
        usual = f"{float(limits.darkest):.0f} to {float(limits.brightest):.0f} of 255"
        rows += [
            f"Too dark or too bright: mean brightness outside {usual}, the range of the training images.",
            f"Uniform: contrast below {float(limits.flattest):.1f}, the minimum of the training images.",
        ]
    if (space := reference.features) is not None:
        rows.append(
            f"Out of distribution: `ood_score` above {float(space.limit):.3g}, exceeded by 2% of the validation images."
        )
    return rows
