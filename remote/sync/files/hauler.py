"""Manifests of hauler: documents of the kind Images."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from remote.sync.files.fields import Fields
from remote.sync.sources import Parts, Place, Source, SyncFile
from store.model.platforms import Platform
from store.model.references import DEFAULT_DOMAIN, Reference, Repository

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from remote.sync.files.yaml_tree import Tree

GROUP: Final = "content.hauler.cattle.io/"
"""The beginning of ``apiVersion``."""

_VERSIONS: Final = ("v1", "v1alpha1")
_OTHER_KINDS: Final = ("Charts", "ThickCharts", "Files", "ImageTxts", "K3s")
_IMAGE: Final = (
    "name",
    "platform",
    "registry",
    "rewrite",
    "key",
    "tlog",
    "use-tlog-verify",
    "certificate-identity",
    "certificate-identity-regexp",
    "certificate-oidc-issuer",
    "certificate-oidc-issuer-regexp",
    "certificate-github-workflow-repository",
)
_PROOFS: Final = _IMAGE[4:]
_PLATFORM: Final = "hauler.dev/platform"
_REGISTRY: Final = "hauler.dev/registry"
_UNVERIFIED: Final = "storectl does not verify signatures"


def read_hauler(trees: Sequence[Tree], file: str, name: str) -> SyncFile:
    """Return the images that the documents of a manifest of hauler list.

    Args:
        trees: The documents of the file.
        file: The name of the file, for messages.
        name: The name of the sync.

    Raises:
        InvalidInput: The file is not valid.
    """
    sources: list[Source] = []
    notes: list[str] = []
    for tree in trees:
        document = Fields(file, tree, "a manifest of hauler")
        document.only(("apiVersion", "kind", "metadata", "spec"))
        version, kind = document.required("apiVersion"), document.required("kind")
        if version not in {f"{GROUP}{one}" for one in _VERSIONS}:
            raise document.error(
                "apiVersion", f"expected {GROUP}v1 or {GROUP}v1alpha1, found {version[:80]!r}"
            )
        if kind in _OTHER_KINDS:
            notes.append(f"ignored line {document.line} of {file}: {kind} are not images")
            continue
        if kind != "Images":
            raise document.error("kind", f"expected Images, found {kind[:80]!r}")
        sources += _images(document)
    return SyncFile(name, tuple(sources), notes=tuple(notes))


def _images(document: Fields) -> Iterator[Source]:
    metadata = document.table("metadata", "metadata")
    annotations = None if metadata is None else metadata.table("annotations", "annotations")
    platform = registry = None
    if annotations is not None:
        for key in annotations.keys():  # noqa: SIM118 - not a dictionary
            if key.startswith("hauler.dev/") and key not in {_PLATFORM, _REGISTRY}:
                annotations.refuse(key, _UNVERIFIED)
        platform, registry = annotations.text(_PLATFORM), annotations.text(_REGISTRY)
        if platform is not None:
            line = annotations.line_of(_PLATFORM)
            annotations.parsed(_PLATFORM, line, lambda: Platform.parse(platform))
    spec = document.table("spec", "a spec")
    if spec is None:
        return
    spec.only(("images",))
    for image in spec.tables("images", "an image"):
        image.only(_IMAGE)
        for key in _PROOFS:
            image.refuse(key, _UNVERIFIED)
        yield _image(image, platform, image.text("registry") or registry)


def _image(image: Fields, platform: str | None, registry: str | None) -> Source:
    reference = image.reference("name").with_default_tag()
    if registry is not None and reference.repository.domain == DEFAULT_DOMAIN:
        # As hauler does, the registry is for names that have none.
        text = image.required("name")
        if not text.startswith(f"{DEFAULT_DOMAIN}/"):
            reference = image.reference("name", f"{registry}/{text}").with_default_tag()
    wanted = image.platforms("platform") or (
        () if platform is None else (Platform.parse(platform),)
    )
    place, renamed = _renamed(image, reference)
    found = Source(
        reference.repository,
        place,
        image.name,
        image.line,
        parts=Parts(wanted, all_platforms=not wanted),
    )
    if reference.digest is not None:
        return replace(found, digests=(reference.digest,))
    assert reference.tag is not None  # noqa: S101 - the default tag was added
    return replace(found, tags=(reference.tag,), renamed=renamed)


def _renamed(image: Fields, reference: Reference) -> tuple[Place, str | None]:
    """Return the name in the store; ``rewrite`` replaces the path, and the tag if it has one."""
    text = image.text("rewrite")
    if text is None:
        return Place(reference.repository), None
    path = image.reference("rewrite", f"{reference.repository.domain}/{text.lstrip('/')}")
    if path.digest is not None or (path.tag is not None and reference.digest is not None):
        raise image.error("rewrite", "expected a path without a digest")
    return Place(Repository(path.repository.domain, path.repository.path)), path.tag
