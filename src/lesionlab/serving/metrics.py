"""What Prometheus is told. Every label has few values: routes, statuses and reasons, never what a caller sent."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from lesionlab.results import Prediction

_LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_BATCHES = (1, 2, 3, 4)


class Metrics:
    """The counters of one server, apart from those of any other in the process."""

    def __init__(self, images_in_house: Callable[[], int]) -> None:
        """Start at zero; `images_in_house` is asked whenever somebody looks."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "lesionlab_requests", "Requests answered.", ["route", "method", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "lesionlab_request_seconds",
            "Time from the head of a request to the end of its answer.",
            ["route"],
            buckets=_LATENCIES,
            registry=self._registry,
        )
        self._judged = Counter("lesionlab_images_predicted", "Images predicted.", registry=self._registry)
        self._refused = Counter(
            "lesionlab_abstentions",
            "Images on which the model abstained, by reason.",
            ["reason"],
            registry=self._registry,
        )
        self._batches = Histogram(
            "lesionlab_batch_images", "Images per run of the graph.", buckets=_BATCHES, registry=self._registry
        )
        depth = Gauge("lesionlab_queue_images", "Images being read, decoded or predicted.", registry=self._registry)
        depth.set_function(images_in_house)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def judged(self, predictions: Sequence[Prediction]) -> None:
        """Count one run of the graph, and the reasons of its refusals by their codes."""
        self._judged.inc(len(predictions))
        self._batches.observe(len(predictions))
        for prediction in predictions:
            for reason in prediction.abstain_reasons:
                self._refused.labels(reason.code).inc()

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format 0.0.4."""
        return generate_latest(self._registry)
