import runpy
from pathlib import Path

from lesionlab.prediction import Predictor

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "write_openapi.py"


def test_committed_description_is_current(predictor: Predictor) -> None:
    script = runpy.run_path(str(SCRIPT))
    assert script["PATH"].read_text(encoding="utf-8") == script["openapi_text"](predictor), "run the script again"
