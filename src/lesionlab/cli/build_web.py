"""`lesionlab build-web`."""

from pathlib import Path
from typing import Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import show
from lesionlab.cli.options import Force, Model
from lesionlab.files import check_output


def build_web(
    folder: Annotated[Path, typer.Option("--out", "-o", help="Output folder.")] = Path("lesionlab-web"),
    model: Model = None,
    force: Force = False,
) -> None:
    """Write the web page with a model as static files. Images are classified in the browser and never uploaded.

    Any web server for static files can serve the folder.
    """
    from lesionlab.prediction import Predictor
    from lesionlab.web import build_web

    check_output(folder, [model], force=force)
    written = build_web(folder, Predictor.load(model, threads=1))
    show(
        f"{written.path}: {written.identity}, {written.download_size / 1e6:.1f} MB on the first visit, then offline. "
        f"To view it: python -m http.server -d {written.path}. {RESEARCH_ONLY}"
    )
