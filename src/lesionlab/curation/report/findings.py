"""The most important findings about a dataset, in sentences."""

from lesionlab.bundle.operating_points import NOUNS
from lesionlab.curation.report.describe import DatasetDescription, Group
from lesionlab.data.scan import ProblemKind
from lesionlab.taxonomy import label_name

_SHOWN = 3
_LEAST_IMAGES = 50  # of a source that is named
_FEW_LESIONS = 30  # of a diagnosis
_NOTABLE_AUC = 0.65  # the lower end of its interval
_NOTABLE_GAP = 0.2

_NAMES = {
    "source": "the source",
    "border": "the border of a thumbnail",
    "file": "size and format of the file",
    "patient": "age, sex and site",
}
_VERBS = {"source": "predicts", "border": "predicts", "file": "predict", "patient": "predict"}
IN_WORDS = {"malignant": "malignant", "melanoma": "melanomas"}


def overview(data: DatasetDescription) -> str:
    """Return the size of the dataset and the share of its target."""
    images, lesions = data.check.images, data.check.lesions
    held = {"lesion": f" of {counted(lesions, 'lesion')}", "patient": f" of {counted(lesions, 'patient')}", "image": ""}
    if not data.labelled:
        return f"{counted(images, 'image')}{held[data.unit]}; no label determines malignancy."
    of_them = "" if data.labelled == images else f" of the {data.labelled:,} with a label that determines it"
    share = percent(data.positive / data.labelled)
    return f"{counted(images, 'image')}{held[data.unit]}; {share}{of_them} are {IN_WORDS[data.target]}."


def main_findings(data: DatasetDescription) -> tuple[str, ...]:
    """Return the most important findings, at most three, the gravest first."""
    found = [*_errors(data), *_one_class(data), *_leak(data), *_shortcuts(data), *_copies(data), *_conflicts(data)]
    found += [*_rare(data), *_gaps(data)]
    ordered = sorted(found, key=lambda finding: -finding[0])
    return tuple(sentence for _, sentence in ordered[:_SHOWN])


# Each returns findings with their weight, which only orders them: up to 100 for what prevents training.
_Findings = list[tuple[float, str]]


def _errors(data: DatasetDescription) -> _Findings:
    kinds = ", ".join(f"{kind.value} ({count:,})" for kind, count in data.check.errors.items())
    return [(100, f"Errors prevent training: {kinds}.")] if kinds else []


def _one_class(data: DatasetDescription) -> _Findings:
    if data.labelled and data.positive in (0, data.labelled):
        kind = "no" if not data.positive else "only"
        return [(90, f"The dataset has {kind} {IN_WORDS[data.target]} images: nothing can be learnt about the others.")]
    return []


def _leak(data: DatasetDescription) -> _Findings:
    if data.unit == "image":
        return [(45, "Lesions are not identified: images of one lesion may be in training and test unnoticed.")]
    several = sum(count for size, count in data.images_per_lesion.items() if size > 1)
    leak = next(leak.test_images for leak in data.leaks if leak.training_share == 0.8)
    if not several or leak < 0.01:
        return []
    share = percent(several / sum(data.images_per_lesion.values()))
    sentence = (
        f"{share} of the {data.unit}s have several images: a random split by image (80/20) would put "
        f"{percent(leak)} of the test images beside an image of the same {data.unit} in training."
    )
    return [(100 * leak, sentence)]


def _shortcuts(data: DatasetDescription) -> _Findings:
    notable = {
        one.property: one.auc
        for one in sorted(data.shortcuts, key=lambda one: one.property != "source")
        if one.auc is not None and one.auc.value is not None and (one.auc.low or 0) >= _NOTABLE_AUC
    }
    if not notable:
        return []
    # The source comes first: its shares by source explain the others.
    (first, auc), *others = notable.items()
    sentence = f"{_NAMES[first].capitalize()} alone {_VERBS[first]} {NOUNS[data.target]} with AUC {auc.value:.2f}"
    if auc.low is not None and auc.high is not None:
        sentence += f" (95% interval {auc.low:.2f} to {auc.high:.2f})"
    if first == "source":
        sentence += _extremes(data)
    sentence += "".join(f"; {_NAMES[name]} with {other.value:.2f}" for name, other in others)
    return [(200 * (max(one.value or 0 for one in notable.values()) - 0.5), f"{sentence}.")]


def _extremes(data: DatasetDescription) -> str:
    rows = [row for row in data.groups.get("source", ()) if row.labelled >= _LEAST_IMAGES]
    if len(rows) < 2:
        return ""
    low, high = (pick(rows, key=_share) for pick in (min, max))
    return f": from {percent(_share(low))} in {low.value} to {percent(_share(high))} in {high.value}"


def _copies(data: DatasetDescription) -> _Findings:
    near = data.check.warnings.get(ProblemKind.NEAR_COPY, 0)
    pairs = "1 pair of near copies has" if near == 1 else f"{near:,} pairs of near copies have"
    return [(20 if near > 5 else 8, f"{pairs} different {data.unit} ids.")] if near else []


def _conflicts(data: DatasetDescription) -> _Findings:
    count = data.check.warnings.get(ProblemKind.CONFLICTING_LESION, 0)
    have = "1 lesion has" if count == 1 else f"{count:,} lesions have"
    return [(15, f"{have} two diagnoses.")] if count else []


def _rare(data: DatasetDescription) -> _Findings:
    rows = data.groups["diagnosis"]
    rarest = min(rows, key=lambda row: row.lesions)
    if len(rows) < 2 or rarest.lesions >= _FEW_LESIONS:
        return []
    unit = "image" if data.unit == "image" else data.unit
    return [(10, f"The rarest diagnosis, {label_name(rarest.value).lower()}, has {counted(rarest.lesions, unit)}.")]


def _gaps(data: DatasetDescription) -> _Findings:
    names = {"age": "Age", "sex": "Sex", "site": "Site", "dx_type": "Confirmation of the diagnosis"}
    shares = {names[name]: count / data.check.images for name, count in data.check.gaps.items() if data.check.images}
    gaps = [f"{name} is missing for {percent(share)} of the images" for name, share in shares.items()]
    return (
        [(5, f"{gaps[list(shares.values()).index(max(shares.values()))]}.")]
        if max(shares.values()) > _NOTABLE_GAP
        else []
    )


def _share(row: Group) -> float:
    return row.share or 0.0


def percent(share: float) -> str:
    """Return a share in percent, with a decimal below 10%."""
    value = 100 * share
    return f"{value:.1f}%" if 0 < value < 10 else f"{value:.0f}%"


def counted(count: int, noun: str) -> str:
    """Return `1 image`, `1,503 images`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
