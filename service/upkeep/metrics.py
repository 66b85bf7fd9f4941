"""Measures of one process for Prometheus. Labels are routes as they are declared, never paths or people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
NO_ROUTE = "none"

Labelled = Mapping[str, float]


@dataclass(frozen=True)
class State:
    """A measure that is looked up when it is asked for. look: values by label; a single one has label ""."""

    name: str
    about: str
    label: str
    look: Callable[[], Labelled]


class Metrics:
    """The measures of one application."""

    def __init__(self, states: Iterable[State] = ()) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "wangge_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "wangge_request_seconds",
            "Seconds until a request was answered whole.",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.sent = Counter(
            "wangge_sent_bytes", "Bytes of answers' bodies.", ("route",), registry=self.registry
        )
        self.underway = Gauge(
            "wangge_requests_underway", "Requests that are being answered.", registry=self.registry
        )
        self.registry.register(_States(tuple(states)))

    def note(self, method: str, route: str, status: int, seconds: float, sent: int) -> None:
        """A request was answered."""
        method = method if method in METHODS else "other"
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)
        self.sent.labels(route).inc(sent)

    def told(self) -> bytes:
        """All measures in Prometheus' text format."""
        return generate_latest(self.registry)


class _States(Collector):
    def __init__(self, states: tuple[State, ...]) -> None:
        self.states = states

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing: the names are known, and nothing is to be looked up for them."""
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Look everything up."""
        for state in self.states:
            family = GaugeMetricFamily(state.name, state.about, labels=[state.label] if state.label else None)
            for label, value in state.look().items():
                family.add_metric([label] if state.label else [], value)
            yield family
