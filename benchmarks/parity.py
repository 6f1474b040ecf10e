"""How far the bundle's answers are from the training framework's, from the bytes of JPEG files to probabilities.

    python benchmarks/parity.py RUN [--data FOLDER] [--images 200] [--out FILE]

The framework's side is what training and validation see: the image cache and the run's best weights.
"""

import argparse
import json
import random
import sys
from pathlib import Path

import numpy as np
import torch

from lesionlab.attribution.network import ExplainedNetwork
from lesionlab.bundle import Bundle
from lesionlab.files import write_json
from lesionlab.prediction import Predictor
from lesionlab.runs import RunFolder
from lesionlab.training.batches import to_images
from lesionlab.training.cache import open_image_cache
from lesionlab.training.trained import trained_network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    run = RunFolder(arguments.run)
    whole, recipe = run.manifest(arguments.data), run.recipe()
    chosen = random.Random(0).sample([r.image_id for r in whole], arguments.images)  # noqa: S311 - no secret
    manifest = whole.select(chosen)
    bundle = Bundle.load(run.bundle)
    calibration = bundle.info.calibration

    # The same function in PyTorch, with its views and, where it looks at the lesion, its crop.
    network = ExplainedNetwork(trained_network(run, recipe.inference.start_share), recipe)
    pixels = open_image_cache(manifest, bundle.info.preprocessing)
    with torch.no_grad():
        batches = torch.split(torch.from_numpy(np.ascontiguousarray(pixels)), 50)
        trained = torch.cat([network(to_images(batch)) for batch in batches]).numpy()
    served = Predictor.load(bundle).predict_logits([manifest.location(r) for r in manifest])
    difference = np.abs(calibration.probabilities(trained) - calibration.probabilities(served))
    result = {
        "what": "largest difference of a probability between PyTorch and the bundle, from JPEG bytes",
        "command": " ".join(["python", *sys.argv]).replace(str(arguments.data), "FOLDER"),
        "bundle": bundle.info.identity,
        "images": len(manifest),
        "largest_difference": float(difference.max()),
        "largest_difference_of_logits": float(np.abs(trained - served).max()),
        "same_most_probable_diagnosis": int((trained.argmax(1) == served.argmax(1)).sum()),
    }
    print(json.dumps(result, indent=2))
    if arguments.out:
        write_json(arguments.out, result)


if __name__ == "__main__":
    main()
