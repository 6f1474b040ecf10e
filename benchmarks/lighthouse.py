"""The page of the server and the static page under Lighthouse: scores, times to paint and to interaction.

    python benchmarks/lighthouse.py [--model BUNDLE] [--rounds 3] [--out FILE]

Each page is opened on the loopback address with an empty cache, as on a phone and a desktop with Lighthouse's own
throttling, and without throttling of the network on a processor four times slower (`loopback`). Values are medians of
the rounds. Needs Chromium and npm, which fetches Lighthouse.
"""

import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from browser import CHROMIUM, hosted
from common import command, environment, options, write
from load_server import HOST, Server, free_port

from lesionlab import RESEARCH_ONLY
from lesionlab.prediction import Predictor
from lesionlab.web import build_web

LIGHTHOUSE = "lighthouse@12.8.2"
UNTHROTTLED = ("rttMs", "throughputKbps", "requestLatencyMs", "downloadThroughputKbps", "uploadThroughputKbps")
SETTINGS = {
    "phone": (),
    "desktop": ("--preset=desktop",),
    "loopback": (
        "--throttling-method=devtools",
        "--throttling.cpuSlowdownMultiplier=4",
        *(f"--throttling.{name}=0" for name in UNTHROTTLED),
    ),
}
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
TIMES = ("first-contentful-paint", "largest-contentful-paint", "interactive", "total-blocking-time")


def audit(address: str, settings: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """Return Lighthouse's report on a page."""
    out = folder / "report.json"
    line = ["npm", "exec", "--yes", f"--package={LIGHTHOUSE}", "--", "lighthouse", address, "--quiet"]
    line += ["--output=json", f"--output-path={out}", "--chrome-flags=--headless=new --no-sandbox", *settings]
    subprocess.run(line, check=True, env=os.environ | {"CHROME_PATH": CHROMIUM}, cwd=folder)
    report: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return report


def measured(address: str, settings: tuple[str, ...], rounds: int, folder: Path) -> dict[str, Any]:
    """Return the medians of some rounds, and the audits that are not passed."""
    reports = [audit(address, settings, folder) for _ in range(rounds)]
    audits = [report["audits"] for report in reports]
    failed = {
        reference["id"]
        for report in reports
        for category in CATEGORIES[1:]
        for reference in report["categories"][category]["auditRefs"]
        if reference["weight"] and report["audits"][reference["id"]]["score"] == 0
    }
    return {
        "scores": {
            name: round(100 * statistics.median(report["categories"][name]["score"] for report in reports))
            for name in CATEGORIES
        },
        "milliseconds": {name: round(statistics.median(one[name]["numericValue"] for one in audits)) for name in TIMES},
        "layout_shift": round(statistics.median(one["cumulative-layout-shift"]["numericValue"] for one in audits), 3),
        "requests": len(audits[0]["network-requests"]["details"]["items"]),
        "kilobytes": round(audits[0]["total-byte-weight"]["numericValue"] / 1e3),
        "failed_audits": sorted(failed),
    }


def main() -> None:
    parser = options(__doc__, "model", "rounds", "out", rounds=3)
    arguments = parser.parse_args()
    predictor = Predictor.load(arguments.model, threads=1)
    server = Server(free_port(), *(["--model", str(arguments.model)] if arguments.model else []))
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            build = build_web(folder / "web", predictor)
            with hosted(build.path) as static:
                addresses = {"server": f"http://{HOST}:{server.port}/", "static": static}
                pages = {
                    page: {
                        name: measured(address, settings, arguments.rounds, folder)
                        for name, settings in SETTINGS.items()
                    }
                    for page, address in addresses.items()
                }
    finally:
        server.kill()
    result = {
        "notice": RESEARCH_ONLY,
        "what": "Lighthouse on the page of the server and on the static page, loopback, empty cache, medians",
        "command": command(arguments),
        "lighthouse": LIGHTHOUSE,
        "model": build.identity,
        "rounds": arguments.rounds,
        "pages": pages,
        "environment": environment("lesionlab"),
    }
    write(arguments, result)


if __name__ == "__main__":
    main()
