"""Endpoints for operators: liveness, readiness and metrics."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from aiohttp import web

from store.errors import StoreError
from store.model.limits import MIB

if TYPE_CHECKING:
    from mirror.access import Caller
    from mirror.service import Service

MIN_FREE_BYTES: Final = 64 * MIB
MIN_FREE_FILES: Final = 100
"""The registry is not ready if the file system has fewer free bytes or free inodes than this."""


async def alive(_service: Service, _request: web.Request) -> web.StreamResponse:
    """Answer ``GET /healthz`` with 200: the process is running."""
    return web.Response(text="ok\n")


async def ready(service: Service, _request: web.Request) -> web.StreamResponse:
    """Answer ``GET /readyz`` with 200 if the store is readable and, unless read-only, writable."""
    problem = await service.pools.read(_problem, service)
    return (
        web.Response(text="ok\n")
        if problem is None
        else web.Response(status=503, text=f"{problem}\n")
    )


async def metrics(service: Service, _request: web.Request, _caller: Caller) -> web.StreamResponse:
    """Answer ``GET /metrics`` in Prometheus' text format."""
    gauges = await service.pools.read(_gauges, service)
    return web.Response(
        text=service.metrics.render(gauges),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )


def _problem(service: Service) -> str | None:
    try:
        service.registry.repositories(after="", limit=1)
        space = os.statvfs(service.store.root)
    except (StoreError, OSError):
        return "the store cannot be read"
    if service.read_only:
        return None
    # A file system that does not limit the number of files reports 0 files.
    if space.f_bavail * space.f_frsize < MIN_FREE_BYTES or (
        space.f_files and space.f_favail < MIN_FREE_FILES
    ):
        return "the disk is full"
    return None if os.access(service.store.root, os.W_OK) else "the store cannot be written"


def _gauges(service: Service) -> dict[str, tuple[str, float]]:
    found: dict[str, tuple[str, float]] = {
        "storectl_ready": ("Whether /readyz answers 200.", float(_problem(service) is None))
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
    except (StoreError, OSError):
        # Leave out gauges without a value; `storectl_ready` reports the failure.
        pass
    return found
