"""The page of the server with hundreds of images: time to all results, and how fluid the list stays.

    python benchmarks/many_images.py [--model BUNDLE] [--images 300] [--out FILE]

Images of 600x450 pixels are chosen at once. `longest_task_ms` is the longest time for which the page cannot respond
while images are predicted, `frame_ms` the time between frames while the list is scrolled from end to end, in headless
Chromium without a graphics processor. Server and browser share the cores.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from browser import CHROMIUM
from common import command, environment, options, write
from load_server import HOST, Server, free_port
from playwright.sync_api import Page, sync_playwright

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import Bundle
from lesionlab.phantoms import phantom_image
from lesionlab.taxonomy import CODES

_LONG_TASKS = """
  window.longTasks = [];
  new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => window.longTasks.push(duration)))
    .observe({ type: "longtask", buffered: true });
"""
_SCROLL = """
  () => new Promise((resolve) => {
    const frames = [];
    const end = document.documentElement.scrollHeight - innerHeight;
    let last = performance.now();
    const step = (now) => {
      frames.push(now - last);
      last = now;
      if (scrollY >= end - 1) return resolve(frames.slice(1));
      scrollBy(0, 120);
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  })
"""


def measured(page: Page, files: list[Path]) -> dict[str, Any]:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    began = time.perf_counter()
    page.locator("input[type=file][multiple]").first.set_input_files(files)
    page.wait_for_function(
        "(rows) => document.querySelector('table.results')?.getAttribute('aria-rowcount') === `${rows}`"
        " && !document.querySelector('.batch-head progress')",
        arg=len(files) + 1,
        timeout=600_000,
    )
    seconds = time.perf_counter() - began
    tasks: list[float] = page.evaluate("window.longTasks")
    frames: list[float] = page.evaluate(_SCROLL)
    return {
        "seconds_to_all_results": round(seconds, 1),
        "requests": len([url for url in requests if "/v1/" in url]),
        "longest_task_ms": round(max(tasks, default=0)),
        "tasks_over_50_ms": len(tasks),
        "frame_ms": {
            "median": round(statistics.median(frames), 1),
            "p95": round(statistics.quantiles(frames, n=20)[-1], 1),
            "largest": round(max(frames), 1),
        },
        "elements": page.evaluate("document.querySelectorAll('*').length"),
        "heap_mb": round(page.evaluate("performance.memory.usedJSHeapSize") / 1e6, 1),
    }


def main() -> None:
    arguments = options(__doc__, "model", "images", "out", images=300).parse_args()
    server = Server(free_port(), *(["--model", str(arguments.model)] if arguments.model else []))
    try:
        with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
            files = [Path(folder) / f"lesion-{number:03}.jpg" for number in range(arguments.images)]
            for number, file in enumerate(files):
                phantom_image(CODES[number % len(CODES)], number, (600, 450)).save(file, quality=90)
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.add_init_script(_LONG_TASKS)
            page.goto(f"http://{HOST}:{server.port}/")
            found, version = measured(page, files), browser.version
            browser.close()
    finally:
        server.kill()
    result = {
        "notice": RESEARCH_ONLY,
        "what": "hundreds of images on the page of the server: time to all results, tasks, frames",
        "command": command(arguments),
        "model": Bundle.load(arguments.model).info.identity,
        "images": arguments.images,
        **found,
        "browser": f"Chromium {version}",
        "environment": environment("lesionlab", "playwright"),
    }
    write(arguments, result)


if __name__ == "__main__":
    main()
