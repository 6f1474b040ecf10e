"""`lesionlab data duplicates`."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import new_table, progress_bar, require_extra, show, show_json, show_table
from lesionlab.cli.hmnist import DatasetFolder
from lesionlab.cli.options import Columns, Force, Json, Metadata, Model, NewFolder, existing, open_dataset
from lesionlab.files import check_output, write_text

if TYPE_CHECKING:
    from lesionlab.bundle import Bundle
    from lesionlab.curation import ImageFeatures, ImagePair
    from lesionlab.curation.page import ReviewItem, ShownImage
    from lesionlab.data import ImageRecord, Manifest

_SHOWN = 1000  # pairs on the page
_SEEN = "training or validation image of the model"


def duplicates(
    folder: DatasetFolder,
    out: NewFolder,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            callback=existing,
            help="Dataset folder or bundle to compare with in place of the dataset itself. Repeatable.",
            show_default=False,
        ),
    ] = None,
    split_file: Annotated[
        Path | None,
        typer.Option("--split", callback=existing, help="List pairs across its subsets only.", show_default=False),
    ] = None,
    model: Model = None,
    metadata: Metadata = None,
    columns: Columns = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Find images of one lesion under different lesion ids; write pairs.html and decisions.csv for review.

    Identical, re-saved, resized, mirrored, cropped and rotated pictures are found by pixels, perceptual hash and the
    features of the model, and verified by local features. Images of a bundle are recognised by its index. Nothing is
    deleted: fill in the column `decision` and pass the file with --decisions to `lesionlab data split`,
    `train` and `evaluate`.
    """
    require_extra("lesionlab data duplicates", "duplicates", "cv2", "jinja2")
    from lesionlab.bundle import Bundle, is_bundle
    from lesionlab.curation import describe_images, find_duplicates, render_review
    from lesionlab.data import load_split
    from lesionlab.data.decisions import PAIR_COLUMNS, write_decisions

    check_output(out, [folder, *(metadata or ())], force=force)
    manifest = open_dataset(folder, columns, metadata)
    subset = load_split(split_file).assignment if split_file else None
    bundle = Bundle.load(model)

    def described(images: "Manifest") -> "ImageFeatures":
        with progress_bar(f"describing {images.root.name}") as progress:
            return describe_images([images.location(record) for record in images], bundle, progress)

    rows: list[dict[str, Any]] = []
    shown: list[ReviewItem] = []
    seen = [Bundle.load(path) for path in against or () if is_bundle(path)]
    others: list[Manifest | None] = [open_dataset(path) for path in against or () if not is_bundle(path)]
    features = described(manifest) if others or not seen else None
    for other in others or ([] if seen else [None]):
        compared = manifest if other is None else other
        with progress_bar("comparing") as progress:
            found = [] if features is None else find_duplicates(features, described(other) if other else None, progress)
        for pair in found:
            a, b = manifest.records[pair.first], compared.records[pair.second]
            if other is None and a.lesion_id == b.lesion_id and subset is None:
                continue
            if other is None and subset is not None and subset.get(a.image_id) == subset.get(b.image_id):
                continue
            rows.append(_row(a, b, pair, "" if other is None else str(other.root)))
            if len(shown) < _SHOWN:
                shown.append(_shown(manifest, a, compared, b, pair, subset))
    for one in seen:
        rows += _seen_rows(one, manifest)
    write_decisions(out / "decisions.csv", PAIR_COLUMNS, rows)
    kinds = Counter(row["kind"] for row in rows)
    summary = [f"{len(rows):,} pairs; {len(shown):,} are shown. Decisions: decisions.csv, column decision."]
    write_text(out / "pairs.html", render_review(f"Duplicates: {manifest.root.resolve().name}", summary, shown))
    if as_json:
        show_json({"images": len(manifest), "pairs": rows, "kinds": dict(kinds)})
        return
    table = new_table("kind", "pairs", title=f"{manifest.root}: {len(manifest):,} images")
    for kind, count in kinds.most_common():
        table.add_row(kind, f"{count:,}")
    show_table(table)
    show(f"{len(rows):,} pairs of different lesions. For review: {out / 'pairs.html'} and {out / 'decisions.csv'}")
    show(RESEARCH_ONLY)


def _row(a: "ImageRecord", b: "ImageRecord", pair: "ImagePair", against: str) -> dict[str, Any]:
    names = {"first": a.image_id, "second": b.image_id, "against": against}
    return {**names, "kind": str(pair.kind), "score": pair.score, "decision": ""}


def _seen_rows(bundle: "Bundle", manifest: "Manifest") -> list[dict[str, Any]]:
    from lesionlab.errors import UsageError

    if bundle.seen_images is None:
        raise UsageError(f"--against: {bundle.info.name} has no index of its training images; export its run again")
    with progress_bar("searching for training images") as progress:
        found, _ = bundle.seen_images.find(
            manifest, bundle.info.training_data.manifest_sha256, identifiers=True, progress=progress
        )
    names = {"second": "", "against": bundle.info.identity, "kind": _SEEN, "score": 1.0, "decision": ""}
    return [{"first": record.image_id, **names} for record in found]


def _shown(
    manifest: "Manifest",
    a: "ImageRecord",
    compared: "Manifest",
    b: "ImageRecord",
    pair: "ImagePair",
    subset: dict[str, str] | None,
) -> "ReviewItem":
    from lesionlab.curation.page import ReviewItem, ShownImage

    def image(images: "Manifest", record: "ImageRecord") -> "ShownImage":
        facts = [f"lesion {record.lesion_id}, {record.diagnosis}"]
        if subset is not None and record.image_id in subset:
            facts.append(f"subset {subset[record.image_id]}")
        return ShownImage(images.location(record), record.image_id, tuple(facts))

    facts = (f"score {pair.score:.2f}: {pair.matches} local features agree; {pair.differing_bits} of 256 bits differ",)
    return ReviewItem(pair.kind.capitalize(), (image(manifest, a), image(compared, b)), facts)
