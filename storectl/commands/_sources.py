"""The sources of an import that are not files: what the user may have meant."""

from __future__ import annotations

from storectl.commands._archives import TRANSPORTS
from storectl.system.other_verbs import PULL


def absent_source(name: str) -> str | None:
    """Return a hint for a source that does not exist; None if there is nothing to say.

    Args:
        name: What the user wrote.
    """
    from store.errors import StoreError  # noqa: PLC0415 - only after an error
    from store.model.references import Reference  # noqa: PLC0415

    scheme, is_url, _ = name.partition("://")
    if is_url:
        return (
            PULL
            if scheme == "docker"
            else "storectl downloads nothing: run `curl -fL URL | storectl import -`"
        )
    transport, colon, _ = name.partition(":")
    if colon and transport in TRANSPORTS:
        return f"give the path alone, without {transport}:"
    if colon and transport == "docker-daemon":
        return "run `docker save NAME | storectl import -`"
    try:
        named = Reference.parse(name)
    except StoreError:
        return None
    # A file usually has an ending, and a name has none.
    is_name = named.tag is not None or named.digest is not None or "." not in name
    return PULL if is_name else None
