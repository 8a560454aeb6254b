"""All cases, in the order they are run and shown."""

from bench.cases import imports, saves, serving

CASES = (*imports.CASES, *saves.CASES, *serving.CASES)
