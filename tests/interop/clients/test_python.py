"""Libraries for Python push to the mirror, pull from it and list it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import images
from tests.support.engine import require
from tests.support.peers.mirror_endpoint import PASSWORD, USER
from tests.support.peers.newer_clients import PYTHON_ASYNC, PYTHON_DOCKER, PYTHON_DXF, PYTHON_ORAS

if TYPE_CHECKING:
    from tests.support.peers.client_matrix import Clients
    from tests.support.peers.mirror_endpoint import Endpoint

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("newer-clients")]

ORAS = """
import json, os, pathlib, sys
import oras.client
host, image, user, password, authority, repository = sys.argv[1:]
if authority:
    os.environ["REQUESTS_CA_BUNDLE"] = authority
client = oras.client.OrasClient(hostname=host, insecure=not authority)
if user:
    client.auth.set_basic_auth(user, password)
target = f"{host}/{repository}:1"
pathlib.Path("hello.txt").write_text("hello")
pushed = client.push(target=target, files=["hello.txt"], manifest_annotations={"made": "here"})
(pulled,) = client.pull(target=target, outdir="pulled")
image_manifest = client.get_manifest(f"{host}/{image}")
layers = [client.get_blob(f"{host}/{image}", one["digest"]) for one in image_manifest["layers"]]
print(json.dumps({
    "pushed": pushed.headers["Docker-Content-Digest"],
    "pulled": pathlib.Path(pulled).read_text(),
    "annotations": client.get_manifest(target)["annotations"],
    "tags": client.get_tags(f"{host}/{repository}"),
    "sizes": [len(layer.content) for layer in layers],
    "deleted": client.delete_tag(f"{host}/{repository}", "1"),
    "left": client.get_tags(f"{host}/{repository}"),
}))
"""

DXF = """
import json, pathlib, sys
from dxf import DXF, DXFBase
host, image, user, password, authority, repository = sys.argv[1:]
def login(base, response):
    if user:
        base.authenticate(user, password, response=response)
options = {"auth": login, "insecure": not authority, "tlsverify": authority or True}
data = b"some bytes" * 1000
pathlib.Path("blob").write_bytes(data)
dxf = DXF(host, repository, **options)
digest = dxf.push_blob("blob")
dxf.set_alias("v1", digest)
name, _, tag = image.partition(":")
found = {
    "alias": dxf.get_alias("v1") == [digest],
    "aliases": dxf.list_aliases(),
    "size": dxf.blob_size(digest),
    "same": b"".join(dxf.pull_blob(digest)) == data,
    "repositories": list(DXFBase(host, **options).list_repos()),
    "image": DXF(host, name, **options).get_digest(tag),
}
dxf.del_alias("v1")
dxf.del_blob(digest)
print(json.dumps(found | {"left": dxf.list_aliases()}))
"""

ASYNC = """
import asyncio, base64, json, os, sys
host, image, user, password, authority = sys.argv[1:]
os.environ["DRCA_DEFAULT_PROTOCOL"] = "https" if authority else "http"
if authority:
    os.environ["DRCA_CACERTS"] = authority
from docker_registry_client_async import DockerRegistryClientAsync, FormattedSHA256, ImageName
async def pull():
    async with DockerRegistryClientAsync() as client:
        if user:
            secret = base64.b64encode(f"{user}:{password}".encode()).decode()
            await client.add_credentials(credentials=secret, endpoint=host)
        name = ImageName.parse(f"{host}/{image}")
        manifest = (await client.get_manifest(name)).manifest
        sizes = []
        for layer in manifest.get_json()["layers"]:
            blob = await client.get_blob(name, FormattedSHA256.parse(layer["digest"]))
            sizes.append(len(blob.blob))
        tags = (await client.get_tag_list(name)).tags
        digest = FormattedSHA256.calculate(manifest.get_bytes())
        return {"digest": str(digest), "sizes": sizes, "tags": [one.tag for one in tags]}
print(json.dumps(asyncio.run(pull())))
"""

DOCKER = """
import json, sys
import docker
socket, host, image, user, password, repository = sys.argv[1:]
client = docker.DockerClient(base_url=f"unix://{socket}", timeout=500)
account = {"username": user, "password": password} if user else None
pulled = client.images.pull(f"{host}/{image}", auth_config=account)
archive = b"".join(pulled.save(named=True))
pulled.tag(f"{host}/{repository}", tag="1")
said = [
    line
    for line in client.images.push(
        f"{host}/{repository}", tag="1", auth_config=account, stream=True, decode=True
    )
    if "error" in line
]
client.images.remove(f"{host}/{repository}:1", force=True)
client.images.remove(f"{host}/{image}", force=True)
(loaded,) = client.images.load(archive)
about = client.images.get_registry_data(f"{host}/{image}", auth_config=account)
print(json.dumps({
    "pulled": pulled.id, "loaded": loaded.id, "errors": said, "digest": about.id
}))
"""


def run(endpoint: Endpoint, program: str, script: str, *words: str) -> dict[str, Any]:
    """Run a script with a library in a new folder; return the JSON that it prints."""
    folder = endpoint.fresh("python")
    folder.mkdir()
    said = endpoint.programs.run(program, "-c", script, *words, cwd=folder)
    answer: dict[str, Any] = json.loads(said)
    return answer


def account(endpoint: Endpoint) -> tuple[str, str, str]:
    """Return the user, the password and the file of the certificate; empty over plain HTTP."""
    return (USER, PASSWORD, str(endpoint.authority)) if endpoint.tls else ("", "", "")


def test_oras_pushes_pulls_lists_and_deletes(endpoint: Endpoint, app: str) -> None:
    require(PYTHON_ORAS)
    image = app.partition("/")[2]
    found = run(
        endpoint, PYTHON_ORAS, ORAS, endpoint.host, image, *account(endpoint), "python/oras"
    )
    assert found.pop("pushed").startswith("sha256:")
    assert found == {
        "pulled": "hello",
        "annotations": {"made": "here"},
        "tags": ["1"],
        "sizes": [len(images.A), len(images.B)],
        "deleted": True,
        "left": [],
    }


def test_dxf_pushes_pulls_lists_and_deletes(endpoint: Endpoint, app: str) -> None:
    require(PYTHON_DXF)
    image = app.partition("/")[2]
    found = run(endpoint, PYTHON_DXF, DXF, endpoint.host, image, *account(endpoint), "python/dxf")
    assert {"python/dxf", image.partition(":")[0]} <= set(found.pop("repositories"))
    stored = endpoint.manifest(*image.split(":"))
    assert stored is not None
    assert found == {
        "alias": True,
        "aliases": ["v1"],
        "size": 10000,
        "same": True,
        # The library calls the digest of the config the digest of an image.
        "image": json.loads(stored.data)["config"]["digest"],
        "left": [],
    }


def test_an_asynchronous_client_pulls_and_lists(endpoint: Endpoint, app: str) -> None:
    require(PYTHON_ASYNC)
    image = app.partition("/")[2]
    found = run(endpoint, PYTHON_ASYNC, ASYNC, endpoint.host, image, *account(endpoint))
    stored = endpoint.manifest(*image.split(":"))
    assert stored is not None
    assert found == {
        "digest": str(stored.digest),
        "sizes": [len(images.A), len(images.B)],
        "tags": ["1"],
    }


def test_docker_pulls_saves_loads_and_pushes(
    clients: Clients, endpoint: Endpoint, app: str
) -> None:
    require(PYTHON_DOCKER, "dockerd-29", "containerd", "unshare")
    image, engine = app.partition("/")[2], clients.shop.docker_29
    engine.clear()
    found = run(
        endpoint,
        PYTHON_DOCKER,
        DOCKER,
        str(engine.socket),
        endpoint.host,
        image,
        *account(endpoint)[:2],
        "python/docker",
    )
    stored = endpoint.manifest(*image.split(":"))
    pushed = endpoint.manifest("python/docker", "1")
    assert stored is not None
    assert pushed is not None
    digest = str(stored.digest)
    assert str(pushed.digest) == digest
    assert found == {
        "pulled": digest,
        "loaded": digest,
        "errors": [],
        "digest": digest,
    }
