"""Prometheus metrics. Labels take few values: routes, statuses and reasons, never request content."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from lesionlab.results import Prediction
from lesionlab.serving.concurrency import ConcurrencyLimit

_LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_BATCHES = (1, 2, 3, 4)


class Metrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(self, concurrency: ConcurrencyLimit) -> None:
        """Start all counters at zero; the limit is read at each scrape."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "lesionlab_requests", "Requests completed.", ["route", "method", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "lesionlab_request_seconds",
            "Time from the head of a request to the end of its response.",
            ["route"],
            buckets=_LATENCIES,
            registry=self._registry,
        )
        self._predicted = Counter("lesionlab_images_predicted", "Images predicted.", registry=self._registry)
        self._abstentions = Counter(
            "lesionlab_abstentions",
            "Images on which the model abstained, by reason.",
            ["reason"],
            registry=self._registry,
        )
        self._batches = Histogram(
            "lesionlab_batch_images", "Images per run of the graph.", buckets=_BATCHES, registry=self._registry
        )
        for name, description, value in (
            ("lesionlab_queue_images", "Images being decoded or predicted.", lambda: concurrency.images.used),
            ("lesionlab_queue_bytes", "Bytes of bodies in the server.", lambda: concurrency.bytes.used),
            ("lesionlab_queue_requests", "Requests with images, from head to response.", lambda: concurrency.requests),
        ):
            Gauge(name, description, registry=self._registry).set_function(value)

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def count_predictions(self, predictions: Sequence[Prediction]) -> None:
        """Count the images of one run of the graph, and their reasons for abstention."""
        self._predicted.inc(len(predictions))
        self._batches.observe(len(predictions))
        for prediction in predictions:
            for reason in prediction.abstain_reasons:
                self._abstentions.labels(reason.code).inc()

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format 0.0.4."""
        return generate_latest(self._registry)
