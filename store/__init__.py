"""A content-addressed store of container images: SQLite for what is known, files by digest for the bytes.

A name is imported when it is first asked for (PEP 562): who opens a store to look something up does not wait for what reads archives.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.archives.choose import Choice
    from store.encoder import Compression
    from store.errors import StoreError
    from store.facade import Store
    from store.importing import ImportOptions
    from store.limits import Limits
    from store.listing import ImageFilter
    from store.platforms import Platform
    from store.references import Reference
    from store.values import ChainID, Descriptor, DiffID, Digest, ImageID

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
    "ChainID": "values",
    "Choice": "archives.choose",
    "Compression": "encoder",
    "Descriptor": "values",
    "DiffID": "values",
    "Digest": "values",
    "ImageFilter": "listing",
    "ImageID": "values",
    "ImportOptions": "importing",
    "Limits": "limits",
    "Platform": "platforms",
    "Reference": "references",
    "Store": "facade",
    "StoreError": "errors",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    found = getattr(import_module(f"store.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
