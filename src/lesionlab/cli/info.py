"""`lesionlab info`."""

import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.cli.console import out, show, show_json
from lesionlab.cli.groups_view import show_groups, with_interval
from lesionlab.cli.options import Json, Model
from lesionlab.errors import BundleError
from lesionlab.files import cache_folder

if TYPE_CHECKING:
    from lesionlab.bundle import Bundle, BundleInfo

_CALIBRATIONS = {
    "temperature": "",
    "prior": "an offset proportional to the log of the class frequency, ",
    "bias": "one offset for each class, ",
    "vector": "one scale and one offset for each class, ",
}


def info(model: Model = None, as_json: Json = False) -> None:
    """Show versions, installed extras, the cache folder, and the description of a model."""
    from lesionlab.bundle import Bundle

    installation = _installation()
    try:
        bundle = Bundle.load(model)
    except BundleError as error:
        if as_json:
            show_json({**installation, "model": None, "error": str(error)})
        else:
            _print_rows(_installation_rows(installation))
        raise
    if as_json:
        show_json({**installation, "model": describe_bundle(bundle)})
        return
    _print_rows(_installation_rows(installation))
    show()
    _print_rows(_model_rows(bundle))
    if (held := bundle.evaluation) is not None:
        for heading, groups in (("source", held.by_source), ("confirmed by", held.by_confirmation)):
            if groups:
                show()
                show_groups(heading, groups)
    show()
    show(RESEARCH_ONLY)


def describe_bundle(bundle: "Bundle") -> dict[str, Any]:
    """Return the JSON description of a bundle."""
    return {
        "path": str(bundle.path),
        "bytes": len(bundle.graph),
        "identity": bundle.info.identity,
        "explainable": bundle.explainable,
        "abstains": bundle.abstains,
        **bundle.info.model_dump(mode="json"),
    }


def _installation() -> dict[str, Any]:
    cache = cache_folder()
    return {
        "lesionlab": __version__,
        "python": platform.python_version(),
        "onnxruntime": _version("onnxruntime"),
        "extras": {extra: not missing for extra, missing in _missing_packages().items()},
        "cache": {"path": str(cache), "bytes": _bytes_below(cache)},
    }


def _installation_rows(installation: dict[str, Any]) -> list[tuple[str, str]]:
    extras = [
        f"{extra}: " + ("installed" if present else f"pip install 'lesionlab[{extra}]'")
        for extra, present in installation["extras"].items()
    ]
    cache = installation["cache"]
    return [
        ("lesionlab", installation["lesionlab"]),
        ("python", installation["python"]),
        ("onnxruntime", installation["onnxruntime"] or "not installed"),
        ("extras", "\n".join(extras) or "unknown: not installed as a package"),
        ("cache", f"{cache['path']} ({_mebibytes(cache['bytes'])})"),
    ]


def _model_rows(bundle: "Bundle") -> list[tuple[str, str]]:
    info = bundle.info
    data = info.training_data
    size, small = info.preprocessing.size, info.preprocessing.through
    through = f"{small}x{small} and enlarged to " if small else ""
    fitted = info.calibration
    calibration = (
        f"{_CALIBRATIONS[fitted.method]}temperature {fitted.temperature:.3f} on {fitted.images:,} images: expected "
        f"calibration error {fitted.ece_before:.3f} before, {fitted.ece_after:.3f} after"
        + "".join(f"; warning: {text}" for text in fitted.warnings)
    )
    split = (
        "LEAKY: lesions are shared between training and test; the figures are too good" if data.leaky else "by lesion"
    )
    if info.imported is not None:
        split = "unknown: the network was trained elsewhere"
    if not data.lesions_known:
        split += " (the source does not identify lesions)"
    points = [
        f"{point.name}: P({point.target}) >= {point.threshold:.3f} gives sensitivity {point.sensitivity:.3f}, "
        f"specificity {point.specificity:.3f}, PPV {point.ppv:.3f}, NPV {point.npv:.3f} at prevalence "
        f"{point.prevalence:.3f} ({point.measured_on})"
        for point in info.operating_points
    ]
    metrics = [f"{name}: {with_interval(m)}" for name, m in info.metrics.items()]
    counts = [
        f"{subset}: {count:,} images of {data.lesions.get(subset, 0):,} lesions"
        for subset, count in data.images.items()
    ]
    evaluation = "none in the bundle"
    if (held := bundle.evaluation) is not None:
        evaluation = (
            f"{held.subset} subset of {held.dataset}, {held.date}: {held.n_images:,} images of {held.n_lesions:,} "
            "lesions; curves, reliability and subgroups"
        )
    warnings = [row.sentence for row in held.within_source_auc if row.differs] if held is not None else []
    return [
        ("model", info.identity),
        ("path", str(bundle.path)),
        ("size", f"{_mebibytes(len(bundle.graph))}, {info.parameters:,} parameters"),
        ("created", info.created),
        ("task", info.task),
        ("classes", ", ".join(info.classes)),
        ("preprocessing", f"squashed to {through}{size}x{size}, {info.preprocessing.interpolation}"),
        ("images", _images(bundle)),
        ("calibration", calibration),
        ("decision rule", _decision(info.decision_rule.exponent)),
        *((("pooled figures", f"do not hold within one source. {' '.join(warnings)}"),) if warnings else ()),
        ("operating points", "\n".join(points) or "none"),
        ("explainable", "class activation map" if bundle.explainable else "no"),
        ("abstains", _abstention_reasons(bundle)),
        ("evaluation", evaluation),
        ("metrics (95%)", "\n".join(metrics) or "none measured"),
        *_origin(info),
        (
            "training data" if info.imported is None else "calibration data",
            "\n".join([", ".join(data.sources), *counts]),
        ),
        ("split", split),
        ("licence", info.licence),
    ]


def _origin(info: "BundleInfo") -> list[tuple[str, str]]:
    if info.imported is None:
        return []
    kind = f", timm's {info.imported.architecture}" if info.imported.architecture else ""
    return [("origin", f"imported from {info.imported.file}{kind}; training data unknown")]


def _images(bundle: "Bundle") -> str:
    info, fusion = bundle.info, bundle.info.fusion
    taken = " and ".join(info.image_types)
    if fusion is None or not fusion.lesions:
        return f"{taken}; several images of a lesion: mean of the log-probabilities"
    return (
        f"{taken}; several images of a lesion: correlated by {fusion.correlation:.2f}, fitted on {fusion.lesions:,} "
        "validation lesions"
    )


def _decision(exponent: float) -> str:
    if exponent == 0:
        return "the most probable class"
    power = "" if exponent == 1 else f" to the power of {exponent:g}"
    return f"the class whose probability, divided by its frequency{power}, is the highest"


def _abstention_reasons(bundle: "Bundle") -> str:
    from lesionlab.bundle import Reference

    if not bundle.abstains:
        return "no"
    reference, decision, detector = bundle.reference or Reference(), bundle.info.decision_rule, bundle.info.dermoscopy
    reasons = (
        ("too small, too dark, too bright, nearly uniform", reference.image is not None),
        ("blurred", reference.sharpness is not None),
        ("not dermoscopic", detector is not None),
        ("out of distribution", reference.features is not None and detector is None),
        ("uncertain", decision.min_confidence > 0),
    )
    return "; ".join(reason for reason, known in reasons if known)


def _print_rows(rows: list[tuple[str, str]]) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    out().print(table, soft_wrap=False)


def _missing_packages() -> dict[str, list[str]]:
    # Read from the metadata of the package: nothing is imported, and there is no second list.
    from importlib import metadata

    try:
        requirements = metadata.requires("lesionlab") or []
    except metadata.PackageNotFoundError:
        return {}
    missing: dict[str, list[str]] = {}
    for requirement in requirements:
        match = re.fullmatch(r"([\w.-]+).*;.*\bextra == ['\"]([\w.-]+)['\"].*", requirement)
        if match:
            absent = missing.setdefault(match[2], [])
            if _version(match[1]) is None:
                absent.append(match[1])
    return missing


def _version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _bytes_below(folder: Path) -> int:
    return sum(
        os.lstat(os.path.join(where, name)).st_size for where, _folders, names in os.walk(folder) for name in names
    )


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
