"""What is compared: a metric of either model's predictions, in words and as a function of weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lesionlab.evaluation.predictions_file import Predictions
from lesionlab.metrics.comparison import Measure

Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Metric:
    """One row of a comparison.

    Attributes:
        name: Name of the metric.
        meaning: The same in words.
        measure_of: Returns the metric of one model's predictions as a function of weights.
        better: Which value is the better one.
        test: `DeLong` or `McNemar`; None where neither applies.
        p_value: Of the test.
    """

    name: str
    meaning: str
    measure_of: Callable[[Predictions], Measure]
    better: Better = "higher"
    test: str | None = None
    p_value: float | None = None
