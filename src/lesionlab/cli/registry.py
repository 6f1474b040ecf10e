"""`lesionlab registry`: versions of bundles, channels and promotions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import new_table, note, progress_bar, require_extra, show, show_json, show_table
from lesionlab.cli.options import (
    Columns,
    Dataset,
    Force,
    Json,
    Metadata,
    Model,
    Unknown,
    add_commands,
    existing,
    model_location,
    open_dataset,
)
from lesionlab.errors import LesionlabError
from lesionlab.files import check_output

if TYPE_CHECKING:
    from lesionlab.registry import ChangeRecord

app = typer.Typer(help=f"Keep versions of bundles, and promote them. {RESEARCH_ONLY}", no_args_is_help=True)

Url = Annotated[
    str,
    typer.Option(
        "--registry",
        envvar="LESIONLAB_REGISTRY",
        help="Folder of the registry, or a URL such as s3://bucket/models.",
        show_default=False,
    ),
]
Reference = Annotated[
    str, typer.Argument(metavar="NAME[@VERSION]", help="NAME@VERSION, NAME@CHANNEL, or NAME for the last version.")
]
Channel = Annotated[str, typer.Option(help="Name of the channel.")]
Reason = Annotated[str, typer.Option(help="Reason for the change, for its record.", show_default=False)]


def push(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            parser=model_location,
            callback=existing,
            help="Bundle or run folder, or URL of a bundle.",
            show_default=False,
        ),
    ],
    url: Url,
    name: Annotated[
        str | None, typer.Option(help="Name in the registry. Default: that of the model.", show_default=False)
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="Version, as 3 or 1.2.0. Default: the next integer.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Add a bundle to the registry as a version of a model."""
    require_extra("lesionlab registry", "cloud", "fsspec")
    from lesionlab.bundle import Bundle
    from lesionlab.registry.store import Registry

    entry = Registry(url).push(Bundle.load(model), name=name, version=version)
    if as_json:
        show_json(entry)
        return
    show(f"{entry.name}@{entry.version}: {entry.identity}, {entry.size / 1e6:.1f} MB, SHA-256 {entry.sha256[:12]}")
    show(RESEARCH_ONLY)


def list(url: Url, as_json: Json = False) -> None:  # noqa: A001 - the name of the command
    """List the models of the registry with their versions and channels."""
    require_extra("lesionlab registry", "cloud", "fsspec")
    from lesionlab.registry.store import Registry

    registry = Registry(url)
    entries = [entry for name in registry.names() for entry in registry.entries(name)]
    channels = {name: registry.channels(name) for name in registry.names()}
    if as_json:
        show_json(
            {
                "versions": [entry.model_dump(mode="json") for entry in entries],
                "channels": {name: [one.model_dump(mode="json") for one in own] for name, own in channels.items()},
            }
        )
        return
    table = new_table("model", "version", "identity", "pushed", "channels", left=5)
    for entry in entries:
        named = [one.name for one in channels[entry.name] if one.present.version == entry.version]
        table.add_row(entry.name, entry.version, entry.identity, entry.pushed[:16], ", ".join(named))
    show_table(table)
    show(RESEARCH_ONLY)


def pull(
    reference: Reference,
    url: Url,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the bundle, or a .zip file.", show_default=False)],
    force: Force = False,
) -> None:
    """Copy a version from the registry, after a check of its hash."""
    require_extra("lesionlab registry", "cloud", "fsspec")
    from lesionlab.registry.store import Registry, copy_bundle

    registry = Registry(url)
    entry = registry.find(reference)
    check_output(out, force=force)
    with registry.opened(entry) as bundle:
        copy_bundle(bundle, out)
    show(f"{out}: {entry.name}@{entry.version}, {entry.identity}")
    show(RESEARCH_ONLY)


def hub(
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER|URL",
            help="Folder to write, or repository to upload to: hf://OWNER/REPO, or hf://OWNER/REPO@BRANCH.",
            show_default=False,
        ),
    ],
    model: Model = None,
    force: Force = False,
) -> None:
    """Write a bundle as a repository of the Hugging Face Hub: its files, and the model card with the Hub's metadata.

    An upload is one commit, and a repository that does not exist is created as a private one. The token is that of
    `hf auth login`, or of the environment variable HF_TOKEN.
    """
    require_extra("lesionlab registry hub", "hub", "huggingface_hub")
    require_extra("lesionlab registry hub", "evaluate", "matplotlib", "jinja2", "markupsafe", "tomli_w")
    from lesionlab.bundle import Bundle
    from lesionlab.registry.hub import upload, write_hub_folder

    bundle = Bundle.load(model)
    if "://" in out:
        show(f"{out}: {bundle.info.identity}, commit {upload(bundle, out)}")
    else:
        check_output(Path(out), [model], force=force)
        write_hub_folder(bundle, Path(out))
        show(f"{out}: {bundle.info.identity}")
    show(RESEARCH_ONLY)


def promote(
    reference: Reference,
    url: Url,
    data: Dataset,
    reason: Reason,
    channel: Channel = "production",
    margin: Annotated[
        float, typer.Option(min=0, max=1, help="Largest tolerated loss in a metric against the present version.")
    ] = 0.02,
    metadata: Metadata = None,
    columns: Columns = None,
    unknown: Unknown = "error",
    as_json: Json = False,
) -> None:
    """Let a channel name a version that is no worse than its present one on labelled images.

    Both versions are compared in pairs on the images that neither was fitted to, overall and by source. The change
    record is written in any case. A version that is not accepted is an error, and the channel stays as it is.
    """
    require_extra("lesionlab registry promote", "cloud", "fsspec")
    require_extra("lesionlab registry promote", "evaluate", "matplotlib", "jinja2", "markupsafe", "tomli_w")
    from lesionlab.registry import Registry
    from lesionlab.registry import promote as promoted

    registry = Registry(url)
    registry.find(reference)  # an error belongs before the reading of the data
    manifest = open_dataset(data, columns, metadata, unknown)
    with progress_bar("predicting") as progress:
        record = promoted(registry, reference, channel, manifest, margin=margin, reason=reason, progress=progress)
    if as_json:
        show_json(record)
    else:
        _show(record, registry.url)
    if record.decision == "rejected":
        rows = [row for row in record.criteria if row.outcome == "rejected"]
        listed = "; ".join(f"{row.metric} on {row.images}: {row.reason}" for row in rows[:3])
        raise LesionlabError(
            f"{record.name}@{record.candidate.version} is not promoted to {channel}: "
            f"{listed or 'no criterion is defined on these images'}"
        )


def rollback(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the model.", show_default=False)],
    url: Url,
    reason: Reason,
    channel: Channel = "production",
    as_json: Json = False,
) -> None:
    """Let a channel name the version before its present one."""
    require_extra("lesionlab registry rollback", "cloud", "fsspec")
    require_extra("lesionlab registry rollback", "evaluate", "matplotlib", "jinja2", "markupsafe", "tomli_w")
    from lesionlab.registry import Registry
    from lesionlab.registry import rollback as rolled_back

    registry = Registry(url)
    record = rolled_back(registry, name, channel, reason=reason)
    if as_json:
        show_json(record)
    else:
        _show(record, registry.url)


def _show(record: "ChangeRecord", url: str) -> None:
    from lesionlab.registry.criteria import in_words

    if record.criteria:
        table = new_table("images", "metric", "before", "now", "outcome", left=2)
        for row in record.criteria:
            table.add_row(
                row.images, row.metric.replace("_", " "), in_words(row.present), in_words(row.candidate), row.outcome
            )
        show_table(table)
    before = f", before: {record.present.version}" if record.present else ", the first version of the channel"
    show(f"{record.decision}: {record.name}@{record.candidate.version}, channel {record.channel}{before}")
    if record.dataset is not None and not record.seen_checked:
        note("not checked: the images may contain training images of a model without an index of them")
    show(f"Record: {url}/{record.name}/changes/{record.number:04}.md")
    show(record.notice)


add_commands(app, push, list, pull, promote, rollback, hub)
