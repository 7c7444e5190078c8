"""Figures of the server for Prometheus, at /metrics."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counters and histograms with a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=True)
        self._requests = Counter(
            "nmt_requests", "Requests by route and status", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "nmt_request_seconds", "Time of a request", ["route"], buckets=SECONDS, registry=self._registry
        )
        self._by_route: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._characters = Counter("nmt_characters", "Characters of the texts", registry=self._registry)
        self._sentences = Counter("nmt_sentences", "Translated sentences", registry=self._registry)
        self._tokens = Counter("nmt_target_tokens", "Generated target tokens", registry=self._registry)
        self._batches = Histogram(
            "nmt_batch_sentences", "Sentences of a batch", buckets=BATCH_SIZES, registry=self._registry
        )
        self._batch_seconds = Counter("nmt_batch_seconds", "Time spent in batches", registry=self._registry)
        self._queue = Gauge("nmt_queue_sentences", "Sentences that wait for translation", registry=self._registry)

    def watch_queue(self, waiting: Callable[[], float]) -> None:
        """Read the length of the queue from `waiting` when the figures are asked for."""
        self._queue.set_function(waiting)

    def on_request(self, route: str, status: int, seconds: float, characters: int) -> None:
        """Count an answered request. `route` is the path of a route, not of the URL, so there are few."""
        key = route, status
        if key not in self._by_route:  # finding the figures by their labels takes longer than counting
            self._by_route[key] = self._requests.labels(route, str(status)), self._seconds.labels(route)
        requests, times = self._by_route[key]
        requests.inc()
        times.observe(seconds)
        self._characters.inc(characters)

    def on_batch(self, sentences: int, tokens: int, seconds: float) -> None:
        """Count a translated batch."""
        self._sentences.inc(sentences)
        self._tokens.inc(tokens)
        self._batches.observe(sentences)
        self._batch_seconds.inc(seconds)

    def text(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        return generate_latest(self._registry)
