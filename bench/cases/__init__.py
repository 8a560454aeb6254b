"""All benchmark cases, in the order in which they run and appear in the report."""

from bench.cases import disk, elsewhere, imports, saves, scale, serving, start

CASES = (
    *start.CASES,
    *imports.CASES,
    *saves.CASES,
    *disk.CASES,
    *scale.CASES,
    *serving.CASES,
    *elsewhere.CASES,
)
