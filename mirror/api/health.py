"""Endpoints for operators: liveness, readiness and metrics."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aiohttp import web

from mirror.process import sync_metrics, upstream_metrics
from remote.through.counts import Counts
from store.errors import StoreError

if TYPE_CHECKING:
    from mirror.access import Caller
    from mirror.readiness import State
    from mirror.service import Service


async def alive(_service: Service, _request: web.Request) -> web.StreamResponse:
    """Answer ``GET /healthz`` with 200: the process is running."""
    return web.Response(text="ok\n")


async def ready(service: Service, _request: web.Request) -> web.StreamResponse:
    """Answer ``GET /readyz`` with 200 if the store is readable and, unless read-only, writable."""
    state = await service.readiness.state()
    if state.problem is not None:
        return web.Response(status=503, text=f"{state.problem}\n")
    lines = ["ok"]
    if state.damaged:
        lines.append(f"{state.damaged} content(s) are damaged and not served")
    if state.failing_syncs:
        lines.append(f"{state.failing_syncs} scheduled sync(s) have failed several times in a row")
    return web.Response(text="".join(f"{line}\n" for line in lines))


async def metrics(service: Service, _request: web.Request, _caller: Caller) -> web.StreamResponse:
    """Answer ``GET /metrics`` in Prometheus' text format."""
    state = await service.readiness.state()
    gauges = await service.pools.read(_gauges, service, state)
    text = service.metrics.render(gauges)
    syncs = service.settings.jobs.syncs
    if syncs is not None:
        runs = await service.pools.read(syncs.reported, service.store)
        text += "".join(f"{line}\n" for line in sync_metrics.lines(runs))
    if service.through is not None:
        counts = Counts()
        for one in (service.through.counts.dump(), *service.metrics.shared_by_others()):
            counts.add(one)
        text += "".join(f"{line}\n" for line in upstream_metrics.lines(counts))
    return web.Response(
        text=text,
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )


def _gauges(service: Service, state: State) -> dict[str, tuple[str, float]]:
    found: dict[str, tuple[str, float]] = {
        "storectl_ready": ("Whether /readyz answers 200.", float(state.problem is None))
    }
    try:
        space = os.statvfs(service.store.root)
        found["storectl_store_free_bytes"] = (
            "Free bytes on the file system of the store.",
            float(space.f_bavail * space.f_frsize),
        )
        found["storectl_uploads_in_progress"] = (
            "Uploads that were begun and are neither finished nor cancelled.",
            float(service.registry.uploads.count()),
        )
        found["storectl_damaged_contents"] = (
            "Stored contents that are marked as damaged, and not served.",
            float(state.damaged),
        )
    except (StoreError, OSError):
        # Leave out gauges without a value; `storectl_ready` reports the failure.
        pass
    return found
