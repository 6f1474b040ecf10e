#!/usr/bin/env bash
# Make the models that ship with the package: train, calibrate, read the test part, and put them in their places.
# Usage: scripts/build_default_model.sh HAM10000_FOLDER
# About two hours on two cores; can be killed and run again. HAM10000_FOLDER holds HAM10000_segmentations, too.
set -euo pipefail

data=$(realpath "$1")
cd "$(dirname "$0")/.."
models=src/lesionlab/models

# What finds the lesion.
if [ ! -f runs/segmentation/segmentation.json ]; then
  lesionlab segment train --data "$data" --masks "$data/HAM10000_segmentations" --out runs/segmentation
fi
mkdir -p "$models/segmentation"
cp runs/segmentation/segmentation.json runs/segmentation/segmentation.onnx "$models/segmentation/"

# What names it.
run=runs/default
if [ ! -f "$run/bundle/bundle.json" ]; then
  lesionlab train efficientnet-lite0 --data "$data" --out "$run"
fi
lesionlab evaluate "$run" --data "$data"
mkdir -p "$models/default"
cp "$run/bundle/"* "$models/default/"
cp "$run/evaluation/test/metrics.json" benchmarks/results/default_model.json
python benchmarks/parity.py "$run" --data "$data" --out benchmarks/results/parity.json
