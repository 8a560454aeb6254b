"""All cases, in the order they are run and shown."""

from bench.cases import disk, imports, saves, serving

CASES = (*imports.CASES, *saves.CASES, *disk.CASES, *serving.CASES)
