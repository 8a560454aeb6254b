"""A content-addressed store of container images: SQLite for what is known, files by digest for the bytes."""

from store.archives.choose import Choice
from store.encoder import Compression
from store.errors import StoreError
from store.facade import ImportOptions, Store
from store.limits import Limits
from store.model import ImageFilter
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
