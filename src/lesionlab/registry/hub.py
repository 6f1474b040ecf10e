"""A bundle as a repository of the Hugging Face Hub: its files, and the model card with the Hub's metadata."""

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from huggingface_hub import CommitOperationAdd, EvalResult, HfApi, ModelCardData

from lesionlab.bundle import Bundle, BundleInfo
from lesionlab.errors import LesionlabError, UsageError
from lesionlab.evaluation.card import render_card
from lesionlab.evaluation.card.render import METRICS
from lesionlab.evaluation.wording import LEAKY, interval
from lesionlab.files import replacing_folder, write_text
from lesionlab.metrics import Estimate
from lesionlab.registry.store import copy_bundle

CARD: Final = "README.md"
_REPOSITORY: Final = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?/?")
_TASK: Final = "image-classification"
# The Hub's name of each metric; the others of an evaluation are in the card.
_METRICS: Final = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "macro_f1": "f1",
    "macro_auc": "roc_auc",
    "malignant_auc": "roc_auc",
    "melanoma_auc": "roc_auc",
    "ece": "ece",
    "malignant_ece": "ece",
    "melanoma_ece": "ece",
}
# Those of the Hub's list that weights have; another licence is stated by its name.
_LICENCES: Final = ("apache-2.0", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "mit")


def write_hub_folder(bundle: Bundle, folder: Path, repository: str = "OWNER/REPO") -> None:
    """Write a bundle's files and its card into a folder that can be uploaded as a repository.

    Args:
        bundle: The model.
        folder: The folder; an existing one is replaced.
        repository: Name of the repository, for the instructions in the card.

    Raises:
        LesionlabError: The folder cannot be written.
    """
    with replacing_folder(folder) as temporary:
        copy_bundle(bundle, temporary)
        write_text(temporary / CARD, hub_card(bundle, repository))


def upload(bundle: Bundle, url: str) -> str:
    """Upload a bundle's files and its card as one commit; a repository that does not exist is created as a private one.

    One commit, since a reader would otherwise find files of two versions. Other files of the repository stay.

    Args:
        bundle: The model.
        url: The repository, as `hf://OWNER/REPO` or `hf://OWNER/REPO@BRANCH`.

    Returns:
        The hash of the commit.

    Raises:
        UsageError: The URL is not of this form.
        LesionlabError: The repository cannot be written.
    """
    found = _REPOSITORY.fullmatch(url)
    if found is None:
        raise UsageError(f"{url}: write the repository like hf://OWNER/REPO")
    repository, branch = found.groups()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        write_hub_folder(bundle, folder, repository)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        additions = [CommitOperationAdd(path.relative_to(folder).as_posix(), path) for path in files]
        try:
            api = HfApi()
            api.create_repo(repository, private=True, exist_ok=True)
            message = f"Upload {bundle.info.identity}"
            commit = api.create_commit(repository, additions, commit_message=message, revision=branch)
        except Exception as error:  # errors of HTTP, of the connection and of the token have no common base
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise LesionlabError(f"cannot write {url}: {reason}") from error
    return commit.oid


def hub_card(bundle: Bundle, repository: str = "OWNER/REPO") -> str:
    """Return the model card with the Hub's metadata, as the `README.md` of a repository."""
    use = (
        "## Use\n\n```bash\npip install 'lesionlab[hub]'\n"
        f"lesionlab predict lesion.jpg --model hf://{repository}\n```\n\n"
    )
    card = render_card(bundle).replace("## Summary\n", f"{use}## Summary\n", 1)
    return f"---\n{_metadata(bundle).to_yaml()}\n---\n\n{card}"


def _metadata(bundle: Bundle) -> ModelCardData:
    info = bundle.info
    results = _results(bundle)
    licence, name = _licence(info)
    return ModelCardData(
        license=licence,
        license_name=name,
        library_name="lesionlab",
        pipeline_tag=_TASK,
        tags=["dermoscopy", "skin-lesion", "onnx", "research-only", info.task.replace("_", "-")],
        datasets=[_slug(source) for source in info.training_data.sources] or None,
        metrics=sorted({result.metric_type for result in results}) or None,
        model_name=info.name,
        eval_results=results or None,
    )


def _licence(info: BundleInfo) -> tuple[str, str | None]:
    """Return the Hub's identifier of the licence, and a name for one that the Hub does not list."""
    licence = info.licence.lower()
    if licence in _LICENCES:
        return licence, None
    return ("unknown", None) if licence == "unspecified" else ("other", _slug(licence))


def _results(bundle: Bundle) -> list[EvalResult]:
    evaluation = bundle.evaluation
    if evaluation is None:
        return []
    mark = f", {LEAKY}" if evaluation.leaky or bundle.info.training_data.leaky else ""
    figures = [(name, METRICS[name][0] + mark, found) for name, found in evaluation.overall.items() if name in _METRICS]
    figures += [
        (f"{auc.target}_auc", f"{METRICS[f'{auc.target}_auc'][0]}, within one source{mark}", auc.within_source)
        for auc in evaluation.within_source_auc
    ]
    results = _of_dataset(evaluation.dataset, f"{evaluation.subset} images", figures)
    for other in evaluation.external:
        pairs = ((f"{other.target}_auc", other.figures.auc), (f"{other.target}_ece", other.figures.ece))
        unseen = [(name, METRICS[name][0], figure) for name, figure in pairs]
        results += _of_dataset(other.dataset, "images that the model was not fitted to", unseen)
    return results


def _of_dataset(dataset: str, images: str, figures: Iterable[tuple[str, str, Estimate]]) -> list[EvalResult]:
    """Return the results on some images of a dataset, from metrics with their names and values."""
    return [
        EvalResult(
            task_type=_TASK,
            dataset_type=_slug(dataset),
            dataset_name=f"{dataset}, {images}",
            metric_type=_METRICS[metric],
            metric_value=round(figure.value, 4),
            metric_name=name + (f", 95% interval {limits}" if (limits := interval(figure)) else ""),
        )
        for metric, name, figure in figures
        if figure.value is not None
    ]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")
