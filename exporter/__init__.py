"""A writer of stored images into archives. The same images give the same bytes every time.

Each name of this package is imported when it is first used (PEP 562). So a program that needs only
the names of the formats does not load the code that writes archives.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.options import Format, Layers, LegacyLoss, SaveOptions
    from exporter.output.atomic_file import atomic_file
    from exporter.output.compression import compressed
    from exporter.save import Export, open_save

__all__ = [
    "Export",
    "Format",
    "Layers",
    "LegacyLoss",
    "SaveOptions",
    "atomic_file",
    "compressed",
    "open_save",
]

_HOMES = {
    "Export": "save",
    "Format": "options",
    "Layers": "options",
    "LegacyLoss": "options",
    "SaveOptions": "options",
    "atomic_file": "output.atomic_file",
    "compressed": "output.compression",
    "open_save": "save",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    found = getattr(import_module(f"exporter.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
