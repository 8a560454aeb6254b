"""Is it alive, and can it do its work?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from aiohttp import web

from store.errors import StoreError
from store.limits import MIB

if TYPE_CHECKING:
    from mirror.service import Service

LEAST_FREE_BYTES: Final = 64 * MIB
"""With less room than this nothing can be pushed."""


async def alive() -> web.StreamResponse:
    """GET /healthz: the process answers."""
    return web.Response(text="ok\n")


async def ready(service: Service) -> web.StreamResponse:
    """GET /readyz: the catalogue can be read and, where it is meant to, written; there is room on the disk."""
    problem = await service.work.read(_problem, service)
    return web.Response(text="ok\n") if problem is None else web.Response(status=503, text=f"{problem}\n")


def _problem(service: Service) -> str | None:
    try:
        service.registry.repositories(after="", limit=1)
        room = os.statvfs(service.store.root)
    except (StoreError, OSError):
        return "the store cannot be read"
    if not service.settings.access.read_only and room.f_bavail * room.f_frsize < LEAST_FREE_BYTES:
        return "the disk is full"
    return None
