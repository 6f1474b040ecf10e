"""Draw the synthetic examples of the page: `python scripts/make_page_examples.py`. Reproducible byte for byte."""  # noqa: INP001

from pathlib import Path

import numpy as np
from PIL import Image

from lesionlab.phantoms import draw_lesion, draw_view, render
from lesionlab.taxonomy import CODES

FOLDER = Path(__file__).parent.parent / "src/lesionlab/web/page/examples"
SIZE = (320, 240)
# File, diagnosis, seed of the lesion, number of the view. Two views of one melanoma are for the comparison. The seeds
# are the first for which the shipped model does not abstain; its predictions for drawings have no meaning.
EXAMPLES = (
    ("nevus", "nv", 1, 0),
    ("melanoma", "mel", 5, 0),
    ("melanoma-second-view", "mel", 5, 2),
    ("basal-cell-carcinoma", "bcc", 3, 0),
    ("vascular-lesion", "vasc", 1, 0),
)


def main() -> None:
    """Write all examples."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, code, seed, number in EXAMPLES:
        rng = np.random.default_rng((seed, CODES.index(code)))
        lesion = draw_lesion(code, rng)
        view = [draw_view(rng) for _ in range(number + 1)][-1]
        Image.fromarray(render(lesion, view, SIZE)).save(FOLDER / f"{name}.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main()
