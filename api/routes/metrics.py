"""`GET /metrics` for Prometheus: the same counters as /stats, under names that follow Prometheus's conventions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.routes.services import Services, ServicesDep

router = APIRouter(tags=["operations"])

_GAUGES: Final = {"last_flush_ms"}
"""Counters that are none: the newest value of something."""


class ServiceCollector(Collector):
    """Reads the counters of the parts when it is asked."""

    def __init__(self, parts: Services) -> None:
        self._parts = parts

    def collect(self) -> Iterable[Metric]:
        """One family for each counter."""
        parts = self._parts
        projection = parts.projection.status()
        yield GaugeMetricFamily("api_sockets", "Open WebSockets.", len(parts.sockets))
        yield GaugeMetricFamily("api_subscriptions", "Followers of this process.", parts.live.hub.subscriptions)
        silent = "Connections for live delivery whose server was not heard for 10 s."
        yield GaugeMetricFamily("api_live_silent_links", silent, parts.live.hub.silent_links)
        yield GaugeMetricFamily("api_projection_healthy", "Whether both loops move.", float(projection.healthy))
        lag = GaugeMetricFamily("api_projection_lag_entries", "Entries that are not rows yet.", labels=["partition"])
        for partition, entries in projection.lag.items():
            lag.add_metric([str(partition)], entries)
        yield lag
        for prefix, counters in (
            ("api_live", asdict(parts.live.hub.counters)),
            ("api_sessions", asdict(parts.live.counters)),
            ("api_lost_ends", asdict(parts.live.lost_ends.counters)),
            ("api_projection", projection.counters),
            ("api_sweeper", asdict(parts.sweeper.counters)),
            ("api_usage", asdict(parts.usage.counters)),
        ):
            yield from _families(prefix, counters)


def _families(prefix: str, counters: Mapping[str, Any]) -> Iterable[Metric]:
    for name, value in counters.items():
        family = GaugeMetricFamily if name in _GAUGES else CounterMetricFamily
        yield family(f"{prefix}_{name}", f"{name.replace('_', ' ').capitalize()} since the start.", float(value))


@router.get("/metrics", response_class=Response, response_model=None)
async def metrics(parts: ServicesDep) -> Response:
    """Counters of this process in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(ServiceCollector(parts))
    ProcessCollector(registry=registry)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
