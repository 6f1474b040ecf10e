"""The README.md and the example script of a converted model, for use without lesionlab."""

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
    """Resize the whole image to the network's square input, uint8 [1, size, size, 3]."""
    steps = description["preprocessing"]
    sides = [side for side in (steps["through"], steps["size"]) if side]
    with Image.open(path) as opened:
        opened.draft("RGB", (2 * sides[0], 2 * sides[0]))  # decodes large JPEG files faster, at a lower resolution
        image = ImageOps.exif_transpose(opened).convert("RGB")
    for side in sides:
        if image.size != (side, side):
            image = image.resize((side, side), Image.Resampling[steps["interpolation"].upper()])
    return np.asarray(image)[None]


def probabilities(logits):
    """Return calibrated probabilities [1, C] of the logits [1, C]."""
    calibration = description["calibration"]
    scaled = logits.astype(np.float64) * (calibration["scales"] or 1.0) + (calibration["offsets"] or 0.0)
    scaled = scaled / calibration["temperature"]
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
'''
_FINISH = """

for path in sys.argv[1:]:
    found = probabilities(logits(prepare(path)))[0]
    scores = found * (description["decision_rule"]["weights"] or 1.0)
    print(path, "balanced prediction:", description["classes"][int(scores.argmax())])
    for code, probability in zip(description["classes"], found):
        print(f"  {code:10} {probability:.6f}")
print("NOTICE")
"""


def script(form: Format) -> str:
    """Return a program that classifies image files with a format's model."""
    finish = _FINISH.replace("NOTICE", RESEARCH_ONLY)
    imports, _, rest = form.usage.partition("\n\n")
    return f"{_BEFORE}{imports}\n{_PREPARE}\n\n{rest.strip()}\n{finish}"


def readme(form: Format, info: BundleInfo, summary: str) -> str:
    """Return the README.md of a converted model.

    Args:
        form: Its format.
        info: Its description.
        summary: Comparison with the FP32 bundle in one line.
    """
    size = info.preprocessing.size
    how = f" ({info.graph.scheme})" if info.graph.scheme else ""
    return f"""# {info.name} for {form.title}

{RESEARCH_ONLY} Licence of the weights: {info.licence}.

Converted by lesionlab from the graph {info.graph.converted_from}{how}. {summary}

`bundle.json` holds the classes in order, the preprocessing, the calibration, the decision rule and the thresholds.
The input is uint8 [1, {size}, {size}, 3] in RGB order, the whole image resized to a square. Scaling to [0, 1] and
normalisation are part of the graph.

```sh
{form.install}
python predict.py lesion.jpg
```

`predict.py`:

```python
{script(form)}```
"""
