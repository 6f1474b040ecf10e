#!/usr/bin/env bash
# Make the model that ships with the package: train, calibrate, read the test part, and put it in its place.
# Usage: scripts/build_default_model.sh HAM10000_FOLDER   (about an hour and a half on two cores; can be killed and run again)
set -euo pipefail

data=$(realpath "$1")
cd "$(dirname "$0")/.."
run=runs/default

if [ ! -f "$run/bundle/bundle.json" ]; then
  lesionlab train efficientnet-lite0 --data "$data" --out "$run"
fi
lesionlab evaluate "$run" --data "$data"
mkdir -p "src/lesionlab/models/default"
cp "$run/bundle/"* "src/lesionlab/models/default/"
cp "$run/evaluation/test/metrics.json" "benchmarks/results/default_model.json"
python "benchmarks/parity.py" "$run" --data "$data" --out "benchmarks/results/parity.json"
