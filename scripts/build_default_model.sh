#!/usr/bin/env bash
# Make the models that ship with the package: train, calibrate, read the test part, and put them in their places.
# Usage: scripts/build_default_model.sh HAM10000_FOLDER
# About two and a half hours on two cores; can be killed and run again. HAM10000_FOLDER holds HAM10000_segmentations too.
set -euo pipefail

data=$(realpath "$1")
cd "$(dirname "$0")/.."
models=src/lesionlab/models

# What finds the lesion. The classifier is trained on what it finds, so another one means another classifier.
if [ ! -f "$models/segmentation/segmentation.json" ]; then
  lesionlab segment train --data "$data" --masks "$data/HAM10000_segmentations" --out runs/segmentation
  mkdir -p "$models/segmentation"
  cp runs/segmentation/segmentation.{json,onnx} "$models/segmentation/"
fi

# The whole picture first, then the square around the lesion.
if [ ! -f runs/efficientnet-lite0/bundle/bundle.json ]; then
  lesionlab train efficientnet-lite0 --data "$data" --out runs/efficientnet-lite0
fi
run=runs/efficientnet-lite0-lesion
if [ ! -f "$run/bundle/bundle.json" ]; then
  lesionlab train efficientnet-lite0-lesion --data "$data" --out "$run" --set model.start=runs/efficientnet-lite0 \
    --set seed=1 --set training.epochs=5 --set optimizer.learning_rate=6e-4 --set optimizer.warmup_epochs=0.5
fi
lesionlab evaluate "$run" --data "$data"
mkdir -p "$models/default"
cp "$run/bundle/"* "$models/default/"
cp "$run/evaluation/test/metrics.json" benchmarks/results/default_model.json
python benchmarks/parity.py "$run" --data "$data" --out benchmarks/results/parity.json
