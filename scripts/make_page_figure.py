"""Take a screenshot of the page of `lesionlab serve` with a result: `python scripts/make_page_figure.py`."""  # noqa: INP001

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from lesionlab.phantoms import phantom_image

OUT = Path(__file__).parent.parent / "docs/images/page.png"
CHROMIUM = os.environ.get("LESIONLAB_CHROMIUM", "/usr/bin/chromium")


def main() -> None:
    """Serve the page, classify a synthetic image, and write the screenshot."""
    command = [sys.executable, "-m", "lesionlab", "serve", "--port", "0"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server,  # noqa: S603 - this package's own command
        sync_playwright() as playwright,
    ):
        try:
            (address,) = re.findall(r"http://\S+:\d+", server.stderr.readline() if server.stderr else "")
            image = Path(folder) / "nevus.jpg"
            phantom_image("nv", 1, (600, 450)).save(image, quality=92)
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1200, "height": 1276})
            page.goto(address)
            page.locator("input[type=file][multiple]").set_input_files(image)
            page.locator(".heat canvas").wait_for()
            page.screenshot(path=OUT)
            browser.close()
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
