"""A content-addressed store of container images: a SQLite catalogue, and files named by digest.

A public name is imported at its first use (PEP 562), so that a look-up does not load the modules
that read archives.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.errors import StoreError
    from store.formats.archives.selection import Choice
    from store.formats.compression.settings import Compression
    from store.importing.importer import ImportOptions
    from store.model.digests import ChainID, Descriptor, DiffID, Digest, ImageID
    from store.model.limits import Limits
    from store.model.platforms import Platform
    from store.model.references import Reference
    from store.queries.results import ImageFilter
    from store.store import Store

__all__ = [
    "ChainID",
    "Choice",
    "Compression",
    "Descriptor",
    "DiffID",
    "Digest",
    "ImageFilter",
    "ImageID",
    "ImportOptions",
    "Limits",
    "Platform",
    "Reference",
    "Store",
    "StoreError",
]

_HOMES = {
    "ChainID": "model.digests",
    "Choice": "formats.archives.selection",
    "Compression": "formats.compression.settings",
    "Descriptor": "model.digests",
    "DiffID": "model.digests",
    "Digest": "model.digests",
    "ImageFilter": "queries.results",
    "ImageID": "model.digests",
    "ImportOptions": "importing.importer",
    "Limits": "model.limits",
    "Platform": "model.platforms",
    "Reference": "model.references",
    "Store": "store",
    "StoreError": "model.base_errors",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    found = getattr(import_module(f"store.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
