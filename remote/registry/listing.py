"""Lists of a repository: tags and referrers, page by page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, final

from remote.auth.scopes import PULL, Scope
from remote.errors import InvalidAnswer, ManifestNotFound, RemoteRepositoryNotFound
from remote.registry.call import Call
from remote.registry.redirects import is_same_origin, resolve_location
from remote.registry.values import Tag
from store.errors import InvalidDocument, printable
from store.formats.distribution.media_types import declared_type
from store.formats.distribution.paging import LAST_PARAMETER, LIMIT_PARAMETER, next_target
from store.formats.distribution.referrers import ARTIFACT_TYPE_PARAMETER, fallback_tag
from store.formats.image.manifests import Document, Kind
from store.formats.image.media_types import OCI_INDEX
from store.model.limits import MIB
from store.model.references import is_tag

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from yarl import URL

    from remote.registry.call import Answer
    from remote.registry.host import Host
    from remote.registry.manifests import Manifests
    from store.formats.image.manifests import Link
    from store.model.digests import Digest

_PAGE_TAGS: Final = 1000
_MAX_PAGE_BYTES: Final = 8 * MIB
_MAX_PAGES: Final = 10_000
_MAX_ENTRIES: Final = 1_000_000
_WITHOUT_API: Final = frozenset({200, 400, 404, 405, 406, 501})
"""The statuses with which registries without the referrers API answer, and that of success."""


@final
class Lists:
    """The lists of one repository.

    Args:
        host: The registry.
        name: The path of the repository.
        manifests: The manifests of the repository, for the fallback tag.
    """

    def __init__(self, host: Host, name: str, manifests: Manifests) -> None:
        self._host = host
        self._name = name
        self._manifests = manifests

    async def tags(self, last: str | None) -> AsyncIterator[str]:
        """Yield the tags after ``last``."""
        query = {LIMIT_PARAMETER: str(_PAGE_TAGS)}
        if last is not None:
            query[LAST_PARAMETER] = last
        call = self._call(
            f"{self._name}/tags/list", f"list the tags of {self._host.registry}/{self._name}", query
        )
        count = 0
        async for _, data in self._pages(call):
            for tag in _tags(call, data):
                count += 1
                if count > _MAX_ENTRIES:
                    raise call.fault(InvalidAnswer, f"more than {_MAX_ENTRIES} tags")
                yield tag

    async def referrers(self, digest: Digest, artifact_type: str | None) -> AsyncIterator[Link]:
        """Yield the referrers of a manifest."""
        query = {ARTIFACT_TYPE_PARAMETER: artifact_type} if artifact_type else {}
        name = f"{self._host.registry}/{self._name}@{digest}"
        call = self._call(
            f"{self._name}/referrers/{digest}",
            f"list the referrers of {name}",
            query,
            accepted=_WITHOUT_API,
        )
        seen: set[Digest] = set()
        async for answer, data in self._pages(call):
            is_index = declared_type(answer.headers.get("Content-Type", "")) == OCI_INDEX
            if answer.status == 200 and is_index:  # noqa: PLR2004 - success
                index = Document.parse(data, media_type=OCI_INDEX, name=f"referrers of {name}")
            elif found := await self._fallback(digest):
                index = found
            else:
                return
            for link in index.children:
                if link.digest not in seen and artifact_type in {None, link.artifact_type}:
                    seen.add(link.digest)
                    if len(seen) > _MAX_ENTRIES:
                        raise call.fault(InvalidAnswer, f"more than {_MAX_ENTRIES} referrers")
                    yield link

    async def _fallback(self, digest: Digest) -> Document | None:
        """Return the index under the fallback tag; None if there is none."""
        try:
            found = await self._manifests.get(Tag(fallback_tag(digest)), (OCI_INDEX,))
        except ManifestNotFound:
            return None
        if found.document.kind is not Kind.INDEX:
            raise InvalidDocument(
                "the fallback tag of referrers names a manifest, expected an index",
                document=f"{self._host.registry}/{self._name}:{fallback_tag(digest)}",
            )
        return found.document

    async def _pages(self, call: Call) -> AsyncIterator[tuple[Answer, bytes]]:
        """Yield the pages of a list. Links lead only to the same list of the same registry."""
        visited: set[URL] = set()
        for _ in range(_MAX_PAGES):
            answer, data = await self._host.document(call, _MAX_PAGE_BYTES)
            yield answer, data
            target = next_target(answer.headers.get("Link", ""))
            if target is None or answer.status != 200:  # noqa: PLR2004 - success
                return
            url = resolve_location(call, answer.url, target)
            if not is_same_origin(url, answer.url) or url.path != answer.url.path:
                raise call.fault(InvalidAnswer, "the link to the next page leads to another list")
            if url in visited:
                raise call.fault(InvalidAnswer, "the links of the pages form a loop")
            visited.add(url)
            call = self._call(url, call.action, {}, accepted=call.accepted)
        raise call.fault(InvalidAnswer, f"the list has more than {_MAX_PAGES} pages")

    def _call(
        self,
        path: str | URL,
        action: str,
        query: dict[str, str],
        *,
        accepted: frozenset[int] = frozenset({200}),
    ) -> Call:
        return Call(
            method="GET",
            path=path,
            action=action,
            registry=self._host.registry,
            repository=self._name,
            scopes=(Scope.of(self._name, PULL),),
            query=query,
            accepted=accepted,
            not_found=RemoteRepositoryNotFound,
        )


def _tags(call: Call, data: bytes) -> list[str]:
    try:
        document: Any = json.loads(data)
    except (ValueError, RecursionError) as fault:
        raise call.fault(InvalidAnswer, "the answer is not JSON") from fault
    tags = document.get("tags", []) if isinstance(document, dict) else None
    if tags is None and isinstance(document, dict):
        return []
    if not isinstance(tags, list):
        raise call.fault(InvalidAnswer, "the answer is not a list of tags")
    for tag in tags:
        if not isinstance(tag, str) or not is_tag(tag):
            raise call.fault(InvalidAnswer, f"invalid tag {printable(repr(tag)[:160])}")
    return tags
