#!/usr/bin/env bash
# Make the models that ship with the package: train, calibrate, read the test part, and put them in their places.
# Usage: scripts/build_default_model.sh HAM10000_FOLDER
# About five hours on two cores; can be killed and run again. HAM10000_FOLDER holds HAM10000_segmentations, too.
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

# What names it: a network that sees the whole picture, one trained on from it that sees the lesion, a student of both, and
# that student taught by its own answers for mirror images.
train() { # folder, recipe and settings
  local run=$1
  shift
  if [ ! -f "$run/bundle/bundle.json" ]; then
    lesionlab train "$@" --data "$data" --out "$run"
  fi
}
train runs/whole efficientnet-lite0
train runs/lesion efficientnet-lite0-lesion --set model.start=runs/whole --set seed=1 --set training.epochs=5 \
  --set optimizer.learning_rate=6e-4 --set optimizer.warmup_epochs=0.5
train runs/first-student scripts/first_student.toml
train runs/student scripts/student.toml
lesionlab evaluate runs/student --data "$data"
mkdir -p "$models/default"
cp runs/student/bundle/* "$models/default/"
cp runs/student/evaluation/test/metrics.json benchmarks/results/default_model.json
python benchmarks/parity.py runs/student --data "$data" --out benchmarks/results/parity.json
