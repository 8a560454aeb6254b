"""What of a registry's storage is imported, and the names that it gets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

from store.errors import InvalidDigest, InvalidReference, printable
from store.formats.golang.path_match import compile_pattern
from store.model.digests import Digest
from store.model.references import Reference
from store.registry_tree.repositories import is_tag_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from store.registry_tree.graph import RepositoryGraph

_NAME: Final = re.compile(r"(?P<repository>[^:@]+)(?::(?P<tag>[^:@]+))?(?:@(?P<digest>.+))?")
_MIN_ID_CHARACTERS: Final = 4


@final
@dataclass(frozen=True, slots=True)
class Wanted:
    """A repository, or one image of it.

    Attributes:
        repository: The name of the repository.
        tag: The tag; None for all images, or with a digest.
        digest: The digest; None for all images, or with a tag.
    """

    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``NAME[:TAG]`` or ``NAME@DIGEST``.

        Raises:
            InvalidReference: The text has another form.
            InvalidDigest: The digest is not valid.
        """
        match = _NAME.fullmatch(text)
        if match is None or not is_tag_of(match["repository"], match["tag"] or "latest"):
            raise InvalidReference(
                f"invalid image name {printable(text)!r}: it is not the name of a repository",
                text=text,
                hint="expected NAME, NAME:TAG or NAME@DIGEST, as the registry spells them",
            )
        digest = None if match["digest"] is None else Digest.parse(match["digest"])
        # As in docker, the digest decides.
        return cls(match["repository"], None if digest else match["tag"], digest)

    @property
    def is_one_image(self) -> bool:
        """Whether it is one image, and not a whole repository."""
        return self.tag is not None or self.digest is not None


def chosen_roots(
    graph: RepositoryGraph, wanted: Wanted | None, patterns: Sequence[str], prefix: str
) -> dict[Digest, tuple[str, ...]]:
    """Return the images of a repository that are imported, with the full names that they get.

    The referrers of chosen images are chosen as well.

    Args:
        graph: The manifests of the repository.
        wanted: The only image, or None for all.
        patterns: Import only images whose name matches one of these patterns, or whose digest
            begins with one of these texts; empty for all.
        prefix: A text to put before every name; empty for none.
    """
    roots = graph.roots()
    repository = graph.links.name
    chosen: dict[Digest, tuple[str, ...]] = {}
    if wanted is not None and wanted.digest is not None:
        node = graph.nodes.get(wanted.digest)
        if node is not None and node.is_usable:
            chosen[wanted.digest] = roots.get(wanted.digest, ())
    elif wanted is not None and wanted.tag is not None:
        chosen = {digest: (wanted.tag,) for digest, tags in roots.items() if wanted.tag in tags}
    elif patterns:
        for digest, tags in roots.items():
            fitting = tuple(tag for tag in tags if _fits(f"{repository}:{tag}", patterns))
            if fitting or any(
                len(one) >= _MIN_ID_CHARACTERS
                and (str(digest).startswith(one) or digest.hex.startswith(one))
                for one in patterns
            ):
                chosen[digest] = fitting
    else:
        chosen = roots
    if chosen is not roots:
        chosen |= _referrers(graph, chosen, roots)
    return {
        digest: tuple(full_name(repository, tag, prefix) for tag in tags)
        for digest, tags in chosen.items()
    }


def full_name(repository: str, tag: str, prefix: str) -> str:
    """Return the name that an image of the registry gets in the store.

    Args:
        repository: The name of the repository, as the registry spells it.
        tag: The tag.
        prefix: A text to put before it; empty for none.

    Raises:
        InvalidReference: The name with the prefix is not valid.
    """
    text = f"{prefix.rstrip('/')}/{repository}:{tag}" if prefix else f"{repository}:{tag}"
    return str(Reference.parse(text))


def _referrers(
    graph: RepositoryGraph,
    chosen: Mapping[Digest, tuple[str, ...]],
    roots: Mapping[Digest, tuple[str, ...]],
) -> dict[Digest, tuple[str, ...]]:
    """Return the roots that refer to chosen images, with cosign's tags of these images."""
    about: dict[Digest, list[Digest]] = {}
    for node in graph.nodes.values():
        if node.subject is not None and node.digest in roots:
            about.setdefault(node.subject, []).append(node.digest)
    found: dict[Digest, tuple[str, ...]] = {}
    waiting = list(chosen)
    seen: set[Digest] = set()
    while waiting:
        for digest in graph.below(waiting.pop()):
            if digest in seen:
                continue
            seen.add(digest)
            beginning = f"{digest.algorithm}-{digest.hex}"
            tags = {
                tag: named
                for tag, named in graph.links.tags.items()
                if named in roots and (tag == beginning or tag.startswith(f"{beginning}."))
            }
            for one in (*about.get(digest, ()), *tags.values()):
                if one not in chosen:
                    mine = tuple(tag for tag, named in tags.items() if named == one)
                    found[one] = tuple(dict.fromkeys((*found.get(one, ()), *mine)))
                    waiting.append(one)
    return found


def _fits(name: str, patterns: Sequence[str]) -> bool:
    try:
        reference = Reference.parse(name)
    except (InvalidReference, InvalidDigest):
        return False
    repository = name.rpartition(":")[0]
    texts = (
        name,
        repository,
        reference.familiar,
        str(reference),
        reference.repository.familiar,
        str(reference.repository),
    )
    return any(compile_pattern(one).fullmatch(text) for one in patterns for text in texts)
