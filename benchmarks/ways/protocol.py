"""What every way of judging images says of itself, one JSON object a line; started by `../speed.py`.

    python WAY.py FIRST ARGUMENTS...

A way loads its network, judges the image FIRST and says `{"first": true}`; who started it counts the seconds until
then. For each line that follows on standard input, `{"files": [...], "one_by_one": bool}`, it judges these files from
disk and says `{"seconds": [...]}`: of each file, or of all together. Needs the standard library alone.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence

Judge = Callable[[Sequence[str]], object]


def serve(judge: Judge, first: str) -> None:
    """Judge `first`, then whatever is asked for, until standard input ends."""
    judge([first])
    say({"first": True})
    for line in sys.stdin:
        asked = json.loads(line)
        groups = [[file] for file in asked["files"]] if asked["one_by_one"] else [asked["files"]]
        seconds = []
        for group in groups:
            began = time.perf_counter()
            judge(group)
            seconds.append(time.perf_counter() - began)
        say({"seconds": seconds})


def say(found: dict[str, object]) -> None:
    print(json.dumps(found), flush=True)
