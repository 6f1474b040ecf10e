#!/usr/bin/env bash
# Train, calibrate and evaluate the models of the package, and copy them into it.
# Usage: scripts/build_default_model.sh HAM10000_FOLDER
# Takes about five hours on two cores; can be interrupted and run again. HAM10000_FOLDER contains HAM10000_segmentations.
set -euo pipefail

data=$(realpath "$1")
cd "$(dirname "$0")/.."
models=src/lesionlab/models

# The segmentation model.
if [ ! -f runs/segmentation/segmentation.json ]; then
  lesionlab segment train --data "$data" --masks "$data/HAM10000_segmentations" --out runs/segmentation
fi
mkdir -p "$models/segmentation"
cp runs/segmentation/segmentation.json runs/segmentation/segmentation.onnx "$models/segmentation/"

# The classifier: a network on whole images, one fine-tuned from it on lesion crops, a student of both, and this student
# distilled from its own test-time augmentation.
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
lesionlab evaluate --model runs/student --data "$data"
mkdir -p "$models/default"
# The performance view of the page shows other datasets. isic2017, isic2020 and milk10k are beside HAM10000_FOLDER.
for other in isic2017 isic2020 milk10k; do
  if [ -d "$data/../$other" ]; then
    lesionlab evaluate --model runs/student --data "$data/../$other" --out "runs/student/evaluation/$other" --store --force
  fi
done
cp runs/student/bundle/* "$models/default/"
cp runs/student/evaluation/test/metrics.json benchmarks/results/default_model.json
python benchmarks/parity.py runs/student --data "$data" --out benchmarks/results/parity.json
