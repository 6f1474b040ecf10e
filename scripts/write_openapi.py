#!/usr/bin/env python3
"""Write the OpenAPI description of the server, from which `npm run types` in `web` generates TypeScript types."""

import json
from pathlib import Path

from lesionlab.prediction import Predictor
from lesionlab.serving import create_app

PATH = Path(__file__).resolve().parent.parent / "web" / "types" / "openapi.json"


def openapi_text(predictor: Predictor) -> str:
    """Return the description as JSON. It is the same for every model."""
    return json.dumps(create_app(predictor).openapi(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    PATH.write_text(openapi_text(Predictor.load(threads=1)), encoding="utf-8")
