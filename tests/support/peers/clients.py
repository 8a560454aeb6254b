"""Every command by which a client pulls from the mirror or pushes to the mirror."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final
from urllib.parse import quote, urlencode

from tests.support.engine import EngineError
from tests.support.peers.claims import claims
from tests.support.peers.crane import PROGRAM as CRANE
from tests.support.peers.mirror_endpoint import PASSWORD, USER
from tests.support.peers.process import PeerRefusal
from tests.support.peers.subjects import docker_archive

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.support.engine import Engine
    from tests.support.peers.containerd import Containerd
    from tests.support.peers.mirror_endpoint import Endpoint
    from tests.support.peers.subjects import Part
    from tests.support.peers.workshop import Workshop

REGCTL: Final = "regctl"
ORAS: Final = "oras"
ALL: Final = ("archive", "image", "index", "referrers")
LAYOUTS: Final = ("image", "index", "referrers")


@final
@dataclass(frozen=True)
class Pull:
    """A command that pulls: a row of the first table in docs/clients.md.

    ``pull`` returns the digests by which the client then identifies a part, or raises PeerRefusal.
    """

    command: str
    pull: Callable[[Workshop, Endpoint, Part], set[str]]
    subjects: tuple[str, ...] = ALL


@final
@dataclass(frozen=True)
class Push:
    """A command that pushes: a row of the second table in docs/clients.md.

    ``push`` pushes a part under a name, or raises PeerRefusal.
    """

    command: str
    push: Callable[[Workshop, Endpoint, Part, str], None]
    subjects: tuple[str, ...] = LAYOUTS


# --- Docker ---------------------------------------------------------------------------------------


def _ask_engine(engine: Engine, endpoint: Endpoint, path: str, command: str) -> None:
    with engine.answer("POST", path, b"", {"X-Registry-Auth": endpoint.engine_account}) as response:
        said = [json.loads(line) for line in response.read().splitlines() if line.strip()]
    problems = [
        message.get("error") or message.get("message")
        for message in said
        if "error" in message or response.status >= 400
    ]
    if problems:
        raise PeerRefusal(["docker", command], str(problems[-1]))


def docker_pull(engine: Engine, endpoint: Endpoint, part: Part) -> set[str]:
    """Pull a part with an engine; return its ID and digests in the engine.

    Raises:
        PeerRefusal: The engine cannot pull the part.
    """
    engine.clear()
    name = f"{endpoint.host}/{part.repository}"
    _ask_engine(
        engine,
        endpoint,
        f"/images/create?{urlencode({'fromImage': name, 'tag': part.tag})}",
        "pull",
    )
    found = engine.inspect(f"{name}:{part.tag}")
    return {found["Id"], *(name.partition("@")[2] for name in found["RepoDigests"])}


def docker_run(engine: Engine, name: str) -> str:
    """Return the output of a container of an image.

    Raises:
        EngineError: The container does not run.
    """
    body = json.dumps({"Image": name, "HostConfig": {"NetworkMode": "none"}}).encode()
    with engine.answer(
        "POST", "/containers/create", body, {"Content-Type": "application/json"}
    ) as response:
        created = json.loads(response.read())
    if "Id" not in created:
        raise EngineError(f"docker create {name}: {created}")
    container = created["Id"]
    try:
        status, said = engine.request("POST", f"/containers/{container}/start")
        if status >= 400:
            raise EngineError(f"docker start {name}: {said.decode(errors='replace')}")
        engine.request("POST", f"/containers/{container}/wait")
        # The engine puts eight bytes before each piece, to name its stream.
        return engine.request("GET", f"/containers/{container}/logs?stdout=1")[1][8:].decode()
    finally:
        engine.request("DELETE", f"/containers/{container}?force=1")


def docker_push(
    engine: Engine, endpoint: Endpoint, part: Part, name: str, *, archive: bytes
) -> None:
    """Load an archive of a part into an engine, and push the part from there.

    Raises:
        PeerRefusal: The engine cannot load or push the part.
    """
    engine.clear()
    problems = [message["error"] for message in engine.load(archive) if "error" in message]
    if problems:
        raise PeerRefusal(["docker", "load"], problems[-1])
    repository, _, tag = name.rpartition(":")
    target = urlencode({"repo": f"{endpoint.host}/{repository}", "tag": tag})
    engine.request("POST", f"/images/{quote(part.name, safe='')}/tag?{target}")
    _ask_engine(
        engine,
        endpoint,
        f"/images/{endpoint.host}/{repository}/push?{urlencode({'tag': tag})}",
        "push",
    )


def _docker_pull(shop: Workshop, endpoint: Endpoint, part: Part) -> set[str]:
    return docker_pull(shop.docker, endpoint, part)


def _docker_push(shop: Workshop, endpoint: Endpoint, part: Part, name: str) -> None:
    docker_push(shop.docker, endpoint, part, name, archive=docker_archive((part,)))


# --- podman, buildah, skopeo ----------------------------------------------------------------------


def _verify(endpoint: Endpoint, prefix: str = "") -> str:
    return f"--{prefix}tls-verify={'true' if endpoint.tls else 'false'}"


def _podman_pull(_shop: Workshop, endpoint: Endpoint, part: Part) -> set[str]:
    endpoint.podman.clear()
    endpoint.podman.run("pull", "--quiet", _verify(endpoint), f"{endpoint.host}/{part.name}")
    return endpoint.podman.image_ids() | endpoint.podman.digests()


def _podman_push(shop: Workshop, endpoint: Endpoint, part: Part, name: str) -> None:
    endpoint.podman.clear()
    image = endpoint.podman.run("pull", "--quiet", shop.oci(part)).strip()
    endpoint.podman.run(
        "push", "--quiet", _verify(endpoint), image, f"docker://{endpoint.host}/{name}"
    )


def _buildah_pull(_shop: Workshop, endpoint: Endpoint, part: Part) -> set[str]:
    endpoint.buildah.clear()
    image = endpoint.buildah.run(
        "pull", "--quiet", _verify(endpoint), f"{endpoint.host}/{part.name}"
    ).strip()
    found = json.loads(endpoint.buildah.run("images", "--digests", "--json"))
    return {f"sha256:{image}", *(row["digest"] for row in found if row.get("digest"))}


def _buildah_push(shop: Workshop, endpoint: Endpoint, part: Part, name: str) -> None:
    endpoint.buildah.clear()
    image = endpoint.buildah.run("pull", "--quiet", shop.oci(part)).strip()
    endpoint.buildah.run(
        "push", "--quiet", _verify(endpoint), image, f"docker://{endpoint.host}/{name}"
    )


def _skopeo(endpoint: Endpoint, *words: str) -> None:
    endpoint.programs.run(
        "skopeo", "--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests", *words
    )


def _skopeo_pull(_shop: Workshop, endpoint: Endpoint, part: Part) -> set[str]:
    target = endpoint.fresh("copied")
    _skopeo(
        endpoint,
        _verify(endpoint, "src-"),
        f"docker://{endpoint.host}/{part.name}",
        f"oci:{target}:{part.tag}",
    )
    return _complete_roots(part, target)


def _skopeo_push(shop: Workshop, endpoint: Endpoint, part: Part, name: str) -> None:
    _skopeo(
        endpoint, _verify(endpoint, "dest-"), shop.oci(part), f"docker://{endpoint.host}/{name}"
    )


def _complete_roots(part: Part, layout: Path) -> set[str]:
    """Return the roots of a client's layout; check that the layout has all blobs of the part."""
    found = claims(layout).digests()
    if part.root in found:
        for digest, data in part.layout.blobs.items():
            assert (layout / "blobs" / digest.replace(":", "/")).read_bytes() == data
    return found


# --- containerd -----------------------------------------------------------------------------------


def _ctr_options(endpoint: Endpoint) -> list[str | Path]:
    """Return ctr's options for the mirror, with the settings in hosts.toml.

    Without this file, ctr does not use TLS with a registry on the loopback interface.
    """
    scheme = "https" if endpoint.tls else "http"
    folder = endpoint.fresh("hosts")
    (folder / endpoint.host).mkdir(parents=True)
    lines = [
        f'server = "{scheme}://{endpoint.host}"',
        f'[host."{scheme}://{endpoint.host}"]',
        'capabilities = ["pull", "resolve", "push"]',
    ]
    if endpoint.tls:
        lines.append(f'ca = "{endpoint.authority}"')
    (folder / endpoint.host / "hosts.toml").write_text("\n".join(lines) + "\n")
    return ["--hosts-dir", folder, *(["--user", f"{USER}:{PASSWORD}"] if endpoint.tls else [])]


def ctr_pull(daemon: Containerd, endpoint: Endpoint, part: Part, *options: str) -> set[str]:
    """Pull a part with ctr; return the digest in containerd.

    Raises:
        PeerRefusal: The client cannot pull the part.
    """
    daemon.clear()
    name = f"{endpoint.host}/{part.name}"
    daemon.run("images", "pull", "--snapshotter", "native", *options, *_ctr_options(endpoint), name)
    return {daemon.images()[name]}


def ctr_push(daemon: Containerd, endpoint: Endpoint, part: Part, name: str) -> None:
    """Import a part into containerd, and push it from there.

    Raises:
        PeerRefusal: The client cannot import or push the part.
    """
    daemon.clear()
    archive = endpoint.fresh("part.tar")
    archive.write_bytes(part.layout.tar())
    daemon.import_archive(archive, "--all-platforms", "--no-unpack")
    daemon.run(
        "images",
        "push",
        *_ctr_options(endpoint),
        f"{endpoint.host}/{name}",
        f"docker.io/{part.name}",
    )


def _ctr_pull(*options: str) -> Callable[[Workshop, Endpoint, Part], set[str]]:
    def pull(_shop: Workshop, endpoint: Endpoint, part: Part) -> set[str]:
        return ctr_pull(endpoint.containerd, endpoint, part, *options)

    return pull


def _ctr_push(_shop: Workshop, endpoint: Endpoint, part: Part, name: str) -> None:
    ctr_push(endpoint.containerd, endpoint, part, name)


# --- crane, regctl, oras --------------------------------------------------------------------------


def _crane(endpoint: Endpoint, *words: str | Path) -> str:
    return endpoint.programs.run(CRANE, *([] if endpoint.tls else ["--insecure"]), *words)


def _crane_pull(_shop: Workshop, endpoint: Endpoint, part: Part) -> set[str]:
    target = endpoint.fresh("pulled")
    _crane(endpoint, "pull", "--format=oci", f"{endpoint.host}/{part.name}", target)
    return _complete_roots(part, target)


def _crane_copy_out(shop: Workshop, endpoint: Endpoint, part: Part) -> set[str]:
    repository = f"copied/{endpoint.fresh('x').parent.name}{'t' if endpoint.tls else ''}"
    _crane(endpoint, "copy", f"{endpoint.host}/{part.name}", f"{shop.registry.host}/{repository}:1")
    return {digest for digest, _ in shop.registry.everything(repository, "1")}


def _crane_push(shop: Workshop, endpoint: Endpoint, part: Part, name: str) -> None:
    _crane(endpoint, "push", shop.layout(part), f"{endpoint.host}/{name}")


def _crane_copy_in(shop: Workshop, endpoint: Endpoint, part: Part, name: str) -> None:
    _crane(endpoint, "copy", shop.seeded(part), f"{endpoint.host}/{name}")


def regctl(endpoint: Endpoint, *words: str | Path) -> str:
    """Run a regctl command; return its output.

    Raises:
        PeerRefusal: The command failed.
    """
    return endpoint.programs.run(
        REGCTL,
        "--host",
        f"reg={endpoint.host},tls={'enabled' if endpoint.tls else 'disabled'}",
        *words,
    )


def _regctl_pull(_shop: Workshop, endpoint: Endpoint, part: Part) -> set[str]:
    target = endpoint.fresh("copied")
    regctl(
        endpoint,
        "image",
        "copy",
        "--referrers",
        f"{endpoint.host}/{part.name}",
        f"ocidir://{target}:{part.tag}",
    )
    return _complete_roots(part, target)


def _regctl_push(shop: Workshop, endpoint: Endpoint, part: Part, name: str) -> None:
    regctl(
        endpoint,
        "image",
        "copy",
        f"ocidir://{shop.layout(part)}:{part.tag}",
        f"{endpoint.host}/{name}",
    )


def oras(
    endpoint: Endpoint, command: str, *words: str | Path, side: str = "", cwd: Path | None = None
) -> str:
    """Run an oras command; return its output.

    Args:
        endpoint: The mirror that the options describe.
        command: The verb, for example ``push``.
        *words: The arguments after the options.
        side: The prefix of the options about the mirror: ``from-``, ``to-`` or empty.
        cwd: The working directory; None for this process's.

    Raises:
        PeerRefusal: The command failed.
    """
    how = [] if endpoint.tls else [f"--{side}plain-http"]
    return endpoint.programs.run(ORAS, command, *how, *words, cwd=cwd)


def _oras_pull(_shop: Workshop, endpoint: Endpoint, part: Part) -> set[str]:
    target = endpoint.fresh("copied")
    oras(
        endpoint,
        "cp",
        "--recursive",
        "--to-oci-layout",
        f"{endpoint.host}/{part.name}",
        f"{target}:{part.tag}",
        side="from-",
    )
    return _complete_roots(part, target)


def _oras_push(shop: Workshop, endpoint: Endpoint, part: Part, name: str) -> None:
    oras(
        endpoint,
        "cp",
        "--from-oci-layout",
        f"{shop.layout(part)}:{part.tag}",
        f"{endpoint.host}/{name}",
        side="to-",
    )


PULLS: Final = (
    Pull("docker pull", _docker_pull),
    Pull("podman pull", _podman_pull),
    Pull("buildah pull", _buildah_pull),
    Pull("skopeo copy --all --preserve-digests docker: oci:", _skopeo_pull),
    Pull("ctr images pull --hosts-dir", _ctr_pull()),
    Pull("ctr images pull --hosts-dir --all-platforms", _ctr_pull("--all-platforms")),
    Pull("crane pull --format=oci", _crane_pull),
    Pull("crane copy (to another registry)", _crane_copy_out),
    Pull("regctl image copy --referrers", _regctl_pull),
    Pull("oras cp --recursive --to-oci-layout", _oras_pull),
)

PUSHES: Final = (
    Push("docker push", _docker_push, ("image",)),
    Push("podman push", _podman_push),
    Push("buildah push", _buildah_push),
    Push("skopeo copy --all --preserve-digests oci: docker:", _skopeo_push),
    Push("ctr images push --hosts-dir", _ctr_push),
    Push("crane push", _crane_push),
    Push("crane copy (from another registry)", _crane_copy_in),
    Push("regctl image copy", _regctl_push),
    Push("oras cp --from-oci-layout", _oras_push),
)


def slug(command: str, endpoint: Endpoint) -> str:
    """Return the repository that a command pushes to."""
    letters = "".join(letter if letter.isalnum() else "-" for letter in command.lower())
    return "-".join(filter(None, letters.split("-"))) + ("/tls" if endpoint.tls else "/http")


def versions(endpoint: Endpoint) -> dict[str, str]:
    """Return the versions of the clients whose versions docs/interop.md does not list."""
    found = json.loads(endpoint.programs.run(REGCTL, "version", "--format", "{{json .}}"))
    said: Sequence[str] = endpoint.programs.run(ORAS, "version").split()
    return {"regctl": str(found["vcsTag"]).removeprefix("v"), "oras": said[1]}
