"""All cases, in the order they are run and shown."""

from bench.cases import imports, saves, scale, start

CASES = (*start.CASES, *imports.CASES, *saves.CASES, *scale.CASES)
