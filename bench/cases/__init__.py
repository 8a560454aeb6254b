"""All cases, in the order they are run and shown."""

from bench.cases import imports

CASES = (*imports.CASES,)
