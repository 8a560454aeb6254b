"""All cases, in the order they are run and shown."""

from bench.cases import imports, saves

CASES = (*imports.CASES, *saves.CASES)
