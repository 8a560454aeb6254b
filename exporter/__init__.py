"""Stored images to archives, deterministic to the byte."""

from exporter.save import Export, open_save
from exporter.sink import atomic_file

__all__ = ["Export", "atomic_file", "open_save"]
