"""lesionlab's `Predictor` on a list of files. The environment has the core package only."""

import sys

from protocol import serve

from lesionlab import Predictor

first, *bundle = sys.argv[1:]
predictor = Predictor.load(*bundle)


def predict(files: list[str]) -> None:
    if len(files) == 1:
        predictor.predict(files[0])
        return
    for _ in predictor.predict_many(files):
        pass


serve(predict, first)
