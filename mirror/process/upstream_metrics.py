"""The metrics of upstream registries, in Prometheus' text format."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remote.through.counts import Counts


def lines(counts: Counts) -> Iterator[str]:
    """Yield the lines of the metrics of upstream registries.

    The names of registries have no character that a label would have to escape.

    Args:
        counts: The counters.
    """
    yield from _head("requests", "Requests of clients for content of an upstream registry.")
    for (upstream, outcome), count in sorted(counts.requests.items()):
        labels = f'upstream="{upstream}",result="{outcome}"'
        yield f"storectl_upstream_requests_total{{{labels}}} {count}"
    yield from _head("errors", "Requests that a registry did not answer, or with 429 or 5xx.")
    for registry, count in sorted(counts.errors.items()):
        yield f'storectl_upstream_errors_total{{registry="{registry}"}} {count}'
    yield from _head("received_bytes", "Bytes of blobs and manifests that a registry has sent.")
    for registry, count in sorted(counts.received_bytes.items()):
        yield f'storectl_upstream_received_bytes_total{{registry="{registry}"}} {count}'


def _head(name: str, text: str) -> Iterator[str]:
    yield f"# HELP storectl_upstream_{name}_total {text}"
    yield f"# TYPE storectl_upstream_{name}_total counter"
