"""Protocol between a pipeline and `../speed.py`: one JSON object a line.

    python PIPELINE.py FIRST ARGUMENTS...

A pipeline loads its network, predicts the image FIRST and prints `{"first": true}`. For each line on standard input,
`{"files": [...], "one_by_one": bool}`, it predicts these files from disk and prints `{"seconds": [...]}`, for each file
or for all together. It needs the standard library only.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence

Predict = Callable[[Sequence[str]], object]


def serve(predict: Predict, first: str) -> None:
    """Predict `first`, then the requested files until standard input ends."""
    predict([first])
    send({"first": True})
    for line in sys.stdin:
        request = json.loads(line)
        groups = [[file] for file in request["files"]] if request["one_by_one"] else [request["files"]]
        seconds = []
        for group in groups:
            began = time.perf_counter()
            predict(group)
            seconds.append(time.perf_counter() - began)
        send({"seconds": seconds})


def send(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)
