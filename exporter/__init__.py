"""Stored images to archives, deterministic to the byte."""

from exporter.options import Format, Layers, SaveOptions
from exporter.output.atomic_file import atomic_file
from exporter.output.compression import compressed
from exporter.save import Export, open_save

__all__ = ["Export", "Format", "Layers", "SaveOptions", "atomic_file", "compressed", "open_save"]
