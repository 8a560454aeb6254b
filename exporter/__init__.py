"""Stored images to archives, deterministic to the byte."""

from exporter.compressing import compressed
from exporter.options import Format, Layers, SaveOptions
from exporter.save import Export, open_save
from exporter.sink import atomic_file

__all__ = ["Export", "Format", "Layers", "SaveOptions", "atomic_file", "compressed", "open_save"]
