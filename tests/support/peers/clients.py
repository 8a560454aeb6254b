"""Every way in which a client pulls from the mirror, or pushes to it."""

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
    """A row of the first table: ``take`` gives the digests by which the client knows a part afterwards, or raises PeerRefusal."""

    command: str
    take: Callable[[Workshop, Endpoint, Part], set[str]]
    subjects: tuple[str, ...] = ALL


@final
@dataclass(frozen=True)
class Push:
    """A row of the second: ``give`` pushes a part under the name it is told, or raises PeerRefusal."""

    command: str
    give: Callable[[Workshop, Endpoint, Part, str], None]
    subjects: tuple[str, ...] = LAYOUTS


# --- Docker ---------------------------------------------------------------------------------------


def _through(engine: Engine, door: Endpoint, path: str, command: str) -> None:
    with engine.answer("POST", path, b"", {"X-Registry-Auth": door.engine_account}) as response:
        said = [json.loads(line) for line in response.read().splitlines() if line.strip()]
    problems = [
        one.get("error") or one.get("message")
        for one in said
        if "error" in one or response.status >= 400
    ]
    if problems:
        raise PeerRefusal(["docker", command], str(problems[-1]))


def _docker_pull(shop: Workshop, door: Endpoint, part: Part) -> set[str]:
    shop.docker.clear()
    name = f"{door.host}/{part.repository}"
    _through(
        shop.docker,
        door,
        f"/images/create?{urlencode({'fromImage': name, 'tag': part.tag})}",
        "pull",
    )
    found = shop.docker.inspect(f"{name}:{part.tag}")
    return {found["Id"], *(one.partition("@")[2] for one in found["RepoDigests"])}


def docker_run(engine: Engine, name: str) -> str:
    """What a container of an image says. Raises EngineError."""
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
        # Eight bytes before each piece say which stream it is of.
        return engine.request("GET", f"/containers/{container}/logs?stdout=1")[1][8:].decode()
    finally:
        engine.request("DELETE", f"/containers/{container}?force=1")


def _docker_push(shop: Workshop, door: Endpoint, part: Part, name: str) -> None:
    shop.docker.clear()
    problems = [one["error"] for one in shop.docker.load(docker_archive((part,))) if "error" in one]
    assert not problems, problems
    repository, _, tag = name.rpartition(":")
    shop.docker.request(
        "POST",
        f"/images/{quote(part.name, safe='')}/tag?{urlencode({'repo': f'{door.host}/{repository}', 'tag': tag})}",
    )
    _through(
        shop.docker,
        door,
        f"/images/{door.host}/{repository}/push?{urlencode({'tag': tag})}",
        "push",
    )


# --- podman, buildah, skopeo ----------------------------------------------------------------------


def _verify(door: Endpoint, prefix: str = "") -> str:
    return f"--{prefix}tls-verify={'true' if door.tls else 'false'}"


def _podman_pull(_shop: Workshop, door: Endpoint, part: Part) -> set[str]:
    door.podman.clear()
    door.podman.run("pull", "--quiet", _verify(door), f"{door.host}/{part.name}")
    return door.podman.image_ids() | door.podman.digests()


def _podman_push(shop: Workshop, door: Endpoint, part: Part, name: str) -> None:
    door.podman.clear()
    image = door.podman.run("pull", "--quiet", shop.oci(part)).strip()
    door.podman.run("push", "--quiet", _verify(door), image, f"docker://{door.host}/{name}")


def _buildah_pull(_shop: Workshop, door: Endpoint, part: Part) -> set[str]:
    door.buildah.clear()
    image = door.buildah.run("pull", "--quiet", _verify(door), f"{door.host}/{part.name}").strip()
    found = json.loads(door.buildah.run("images", "--digests", "--json"))
    return {f"sha256:{image}", *(one["digest"] for one in found if one.get("digest"))}


def _buildah_push(shop: Workshop, door: Endpoint, part: Part, name: str) -> None:
    door.buildah.clear()
    image = door.buildah.run("pull", "--quiet", shop.oci(part)).strip()
    door.buildah.run("push", "--quiet", _verify(door), image, f"docker://{door.host}/{name}")


def _skopeo(door: Endpoint, *words: str) -> None:
    door.programs.run(
        "skopeo", "--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests", *words
    )


def _skopeo_pull(_shop: Workshop, door: Endpoint, part: Part) -> set[str]:
    target = door.fresh("copied")
    _skopeo(
        door, _verify(door, "src-"), f"docker://{door.host}/{part.name}", f"oci:{target}:{part.tag}"
    )
    return _whole(part, target)


def _skopeo_push(shop: Workshop, door: Endpoint, part: Part, name: str) -> None:
    _skopeo(door, _verify(door, "dest-"), shop.oci(part), f"docker://{door.host}/{name}")


def _whole(part: Part, layout: Path) -> set[str]:
    """The roots of a layout that a client wrote, after a look at whether all that belongs to the part is in it."""
    found = claims(layout).digests()
    if part.root in found:
        for digest, data in part.layout.blobs.items():
            assert (layout / "blobs" / digest.replace(":", "/")).read_bytes() == data
    return found


# --- containerd -----------------------------------------------------------------------------------


def _ctr_options(door: Endpoint) -> list[str | Path]:
    """What ctr is told of the mirror, as hosts.toml: without, it takes a registry on the loopback interface for one without TLS."""
    scheme = "https" if door.tls else "http"
    folder = door.fresh("hosts")
    (folder / door.host).mkdir(parents=True)
    lines = [
        f'server = "{scheme}://{door.host}"',
        f'[host."{scheme}://{door.host}"]',
        'capabilities = ["pull", "resolve", "push"]',
    ]
    if door.tls:
        lines.append(f'ca = "{door.authority}"')
    (folder / door.host / "hosts.toml").write_text("\n".join(lines) + "\n")
    return ["--hosts-dir", folder, *(["--user", f"{USER}:{PASSWORD}"] if door.tls else [])]


def _ctr_pull(*options: str) -> Callable[[Workshop, Endpoint, Part], set[str]]:
    def take(_shop: Workshop, door: Endpoint, part: Part) -> set[str]:
        door.containerd.clear()
        name = f"{door.host}/{part.name}"
        door.containerd.run(
            "images", "pull", "--snapshotter", "native", *options, *_ctr_options(door), name
        )
        return {door.containerd.images()[name]}

    return take


def _ctr_push(_shop: Workshop, door: Endpoint, part: Part, name: str) -> None:
    door.containerd.clear()
    archive = door.fresh("part.tar")
    archive.write_bytes(part.layout.tar())
    door.containerd.import_archive(archive, "--all-platforms", "--no-unpack")
    door.containerd.run(
        "images", "push", *_ctr_options(door), f"{door.host}/{name}", f"docker.io/{part.name}"
    )


# --- crane, regctl, oras --------------------------------------------------------------------------


def _crane(door: Endpoint, *words: str | Path) -> str:
    return door.programs.run(CRANE, *([] if door.tls else ["--insecure"]), *words)


def _crane_pull(_shop: Workshop, door: Endpoint, part: Part) -> set[str]:
    target = door.fresh("pulled")
    _crane(door, "pull", "--format=oci", f"{door.host}/{part.name}", target)
    return _whole(part, target)


def _crane_copy_out(shop: Workshop, door: Endpoint, part: Part) -> set[str]:
    repository = f"copied/{door.fresh('x').parent.name}{'t' if door.tls else ''}"
    _crane(door, "copy", f"{door.host}/{part.name}", f"{shop.registry.host}/{repository}:1")
    return {one for one, _ in shop.registry.everything(repository, "1")}


def _crane_push(shop: Workshop, door: Endpoint, part: Part, name: str) -> None:
    _crane(door, "push", shop.layout(part), f"{door.host}/{name}")


def _crane_copy_in(shop: Workshop, door: Endpoint, part: Part, name: str) -> None:
    _crane(door, "copy", shop.seeded(part), f"{door.host}/{name}")


def regctl(door: Endpoint, *words: str | Path) -> str:
    """A regctl command. Raises PeerRefusal."""
    return door.programs.run(
        REGCTL, "--host", f"reg={door.host},tls={'enabled' if door.tls else 'disabled'}", *words
    )


def _regctl_pull(_shop: Workshop, door: Endpoint, part: Part) -> set[str]:
    target = door.fresh("copied")
    regctl(
        door,
        "image",
        "copy",
        "--referrers",
        f"{door.host}/{part.name}",
        f"ocidir://{target}:{part.tag}",
    )
    return _whole(part, target)


def _regctl_push(shop: Workshop, door: Endpoint, part: Part, name: str) -> None:
    regctl(door, "image", "copy", f"ocidir://{shop.layout(part)}:{part.tag}", f"{door.host}/{name}")


def oras(
    door: Endpoint, command: str, *words: str | Path, side: str = "", cwd: Path | None = None
) -> str:
    """An oras command; ``side`` is before the options that say how to reach the mirror.

    Raises PeerRefusal.
    """
    how = [] if door.tls else [f"--{side}plain-http"]
    return door.programs.run(ORAS, command, *how, *words, cwd=cwd)


def _oras_pull(_shop: Workshop, door: Endpoint, part: Part) -> set[str]:
    target = door.fresh("copied")
    oras(
        door,
        "cp",
        "--recursive",
        "--to-oci-layout",
        f"{door.host}/{part.name}",
        f"{target}:{part.tag}",
        side="from-",
    )
    return _whole(part, target)


def _oras_push(shop: Workshop, door: Endpoint, part: Part, name: str) -> None:
    oras(
        door,
        "cp",
        "--from-oci-layout",
        f"{shop.layout(part)}:{part.tag}",
        f"{door.host}/{name}",
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


def slug(command: str, door: Endpoint) -> str:
    """A repository's name for what a command pushes."""
    letters = "".join(one if one.isalnum() else "-" for one in command.lower())
    return "-".join(filter(None, letters.split("-"))) + ("/tls" if door.tls else "/http")


def versions(door: Endpoint) -> dict[str, str]:
    """Of those that no other table has."""
    found = json.loads(door.programs.run(REGCTL, "version", "--format", "{{json .}}"))
    said: Sequence[str] = door.programs.run(ORAS, "version").split()
    return {"regctl": str(found["vcsTag"]).removeprefix("v"), "oras": said[1]}
