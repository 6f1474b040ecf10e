"""The README.md of a converted model: how to use it without lesionlab."""

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import BundleInfo
from lesionlab.export.formats.format import Format

_BEFORE = """\
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
"""
_PREPARE = '''
here = Path(__file__).parent
description = json.loads((here / "bundle.json").read_text(encoding="utf-8"))


def prepare(path):
    """Squash the whole picture to the square that the network takes, uint8 [1, size, size, 3]."""
    steps = description["preprocessing"]
    sides = [side for side in (steps["through"], steps["size"]) if side]
    with Image.open(path) as opened:
        opened.draft("RGB", (2 * sides[0], 2 * sides[0]))  # large JPEG files are decoded smaller, and faster
        image = ImageOps.exif_transpose(opened).convert("RGB")
    for side in sides:
        if image.size != (side, side):
            image = image.resize((side, side), Image.Resampling[steps["interpolation"].upper()])
    return np.asarray(image)[None]


def probabilities(outputs):
    """Turn the network's outputs [1, C] into calibrated probabilities [1, C]."""
    fitted = description["calibration"]
    scaled = outputs.astype(np.float64) * (fitted["scales"] or 1.0) + (fitted["offsets"] or 0.0)
    scaled = scaled / fitted["temperature"]
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
'''
_FINISH = """

for path in sys.argv[1:]:
    found = probabilities(logits(prepare(path)))[0]
    scores = found * (description["decision_rule"]["weights"] or 1.0)
    print(path, "answer:", description["classes"][int(scores.argmax())])
    for code, probability in zip(description["classes"], found):
        print(f"  {code:10} {probability:.6f}")
print("NOTICE")
"""


def snippet(form: Format) -> str:
    """Return the whole program that judges image files with a format's model, to be saved beside it."""
    finish = _FINISH.replace("NOTICE", RESEARCH_ONLY)
    imports, _, rest = form.usage.partition("\n\n")
    return f"{_BEFORE}{imports}\n{_PREPARE}\n\n{rest.strip()}\n{finish}"


def readme(form: Format, info: BundleInfo, outcome: str) -> str:
    """Return the README.md that lies beside a converted model.

    Args:
        form: Its format.
        info: Its description.
        outcome: How it compares with the bundle that it was made of, in a line.
    """
    size = info.preprocessing.size
    how = f" ({info.graph.scheme})" if info.graph.scheme else ""
    return f"""# {info.name} for {form.title}

{RESEARCH_ONLY} Licence of the weights: {info.licence}.

Converted by lesionlab from the graph {info.graph.converted_from}{how}. {outcome}

`bundle.json` says what the numbers mean: classes in order, preprocessing, calibration, rule of the answer, thresholds.
Pixels are uint8 [1, {size}, {size}, 3] in RGB order, the whole picture squashed to a square; scaling to [0, 1] and
normalisation are inside the graph.

```sh
{form.install}
python predict.py lesion.jpg
```

`predict.py`:

```python
{snippet(form)}```
"""
