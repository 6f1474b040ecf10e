#!/usr/bin/env bash
# Train, calibrate and evaluate the models of the package, and copy them into it.
# Usage: scripts/build_default_model.sh DATA [NEGATIVES]
# Takes about six hours on two cores; can be interrupted and run again. DATA contains ham10000 (with the metadata of Harvard
# Dataverse and HAM10000_segmentations), milk10k, isic2020 and isic2017. NEGATIVES is a folder of scripts/collect_negatives.py.
set -euo pipefail

all=$(realpath "$1")
data=$all/ham10000
negatives=$(realpath "${2:-negatives}")
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

# The shipped model: from the student, which teaches it, on three datasets.
python scripts/shared_lesions.py "$all" runs/shared_lesions
three=(--data "$data" --data "$all/milk10k" --data "$all/isic2020")
if [ ! -f runs/three-datasets/bundle/bundle.json ]; then
  lesionlab train scripts/three_datasets.toml "${three[@]}" --metadata "$data/HAM10000_metadata_dataverse.csv" \
    --unknown-diagnoses keep --decisions runs/shared_lesions/same_lesion.csv \
    --decisions runs/shared_lesions/excluded.csv --out runs/three-datasets
fi
ln -sfn "$negatives" runs/negatives # the bundle holds this path
lesionlab export runs/three-datasets --set inference.negatives=runs/negatives/train --force
lesionlab evaluate --model runs/three-datasets
python benchmarks/external.py --data "$all" --model runs/three-datasets/bundle --store --out benchmarks/results/external.json

mkdir -p "$models/default"
cp runs/three-datasets/bundle/* "$models/default/"
cp runs/three-datasets/evaluation/test/metrics.json benchmarks/results/default_model.json
python benchmarks/parity.py runs/three-datasets --out benchmarks/results/parity.json
python scripts/write_figures.py
