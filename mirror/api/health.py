"""For operators: is it alive, can it do its work, and what has it done?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from aiohttp import web

from store.errors import StoreError
from store.model.limits import MIB

if TYPE_CHECKING:
    from mirror.access import Caller
    from mirror.service import Service

LEAST_FREE_BYTES: Final = 64 * MIB
LEAST_FREE_FILES: Final = 100
"""With less room than this nothing can be pushed."""


async def alive(_service: Service, _request: web.Request) -> web.StreamResponse:
    """GET /healthz: the process answers."""
    return web.Response(text="ok\n")


async def ready(service: Service, _request: web.Request) -> web.StreamResponse:
    """GET /readyz: the catalogue can be read and, where it is meant to, written.

    There is room on the disk.
    """
    problem = await service.work.read(_problem, service)
    return (
        web.Response(text="ok\n")
        if problem is None
        else web.Response(status=503, text=f"{problem}\n")
    )


async def metrics(service: Service, _request: web.Request, _caller: Caller) -> web.StreamResponse:
    """GET /metrics."""
    gauges = await service.work.read(_gauges, service)
    return web.Response(
        text=service.metrics.text(gauges),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )


def _problem(service: Service) -> str | None:
    try:
        service.registry.repositories(after="", limit=1)
        room = os.statvfs(service.store.root)
    except (StoreError, OSError):
        return "the store cannot be read"
    if service.read_only:
        return None
    # Where the number of files is not limited, there are no files at all.
    if room.f_bavail * room.f_frsize < LEAST_FREE_BYTES or (
        room.f_files and room.f_favail < LEAST_FREE_FILES
    ):
        return "the disk is full"
    return None if os.access(service.store.root, os.W_OK) else "the store cannot be written"


def _gauges(service: Service) -> dict[str, tuple[str, float]]:
    found: dict[str, tuple[str, float]] = {
        "storectl_ready": ("Whether /readyz is green.", float(_problem(service) is None))
    }
    try:
        room = os.statvfs(service.store.root)
        found["storectl_store_free_bytes"] = (
            "Room on the file system of the store.",
            float(room.f_bavail * room.f_frsize),
        )
        found["storectl_uploads_in_progress"] = (
            "Uploads that were begun and neither finished nor given up.",
            float(service.registry.uploads.count()),
        )
    except (StoreError, OSError):
        # What could not be found out is left out; `storectl_ready` says that something is wrong.
        pass
    return found
