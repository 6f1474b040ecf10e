"""`lesionlab site`."""

from pathlib import Path
from typing import Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import out


def site(
    folder: Annotated[
        Path, typer.Option("--out", "-o", help="Folder to make; a site that stands there is replaced.")
    ] = Path("lesionlab-site"),
    model: Annotated[
        Path | None, typer.Option("--model", "-m", help="Bundle to use instead of the one in the package.")
    ] = None,
) -> None:
    """Write the page with a model inside as static files: images are judged in the browser and never leave it.

    Any server of static files can serve it.
    """
    from lesionlab.prediction import Predictor
    from lesionlab.web import build_web

    written = build_web(folder, Predictor.load(model, threads=1))
    out.print(
        f"{written.path}: {written.identity}, {written.download_size / 1e6:.1f} MB to load once, then it works without a "
        f"network. To see it: python -m http.server -d {written.path}. {RESEARCH_ONLY}",
        markup=False,
        soft_wrap=True,
    )
