"""OpenShift: objects for ``oc apply``, from which the cluster makes ``registries.conf``.

Source: OpenShift, "Image configuration resources": ``ImageDigestMirrorSet``, ``ImageTagMirrorSet``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from store.formats.distribution.names import alias
from storectl.client_config.mirror import ClientFile, Configuration, Unsupported, joined, quoted

if TYPE_CHECKING:
    from storectl.client_config.mirror import Mirror

OBJECTS: Final = "/storectl-mirror.yaml"
_KINDS: Final = {
    "ImageDigestMirrorSet": "imageDigestMirrors",
    "ImageTagMirrorSet": "imageTagMirrors",
}
_CONFIG_MAP: Final = "storectl-mirror-ca"


def openshift(mirror: Mirror) -> Configuration:
    """Return the objects of a cluster.

    Raises:
        Unsupported: The mirror's certificate needs a ConfigMap, and its address cannot be a key.
    """
    if mirror.authority is not None and "[" in mirror.host:
        raise Unsupported("a ConfigMap has no certificates for an IPv6 address: give a host name")
    documents = [_mirror_set(mirror, kind, field) for kind, field in _KINDS.items()]
    if mirror.authority is not None:
        documents += [_config_map(mirror, mirror.authority)]
    if mirror.authority is not None or mirror.is_insecure:
        documents += [_image(mirror)]
    login = (
        [
            (
                "add the login to the pull secret of the cluster: oc registry login"
                f" --registry={mirror.host} --auth-basic={mirror.login.user}:PASSWORD"
                " --to=pull-secret.json, then oc set data secret/pull-secret -n openshift-config"
                " --from-file=.dockerconfigjson=pull-secret.json"
            )
        ]
        if mirror.login
        else []
    )
    return Configuration(
        (ClientFile(OBJECTS, "---\n".join(map(joined, documents))),),
        (
            "run: oc apply -f FILE; the cluster restarts its nodes one after another",
            *(
                ["image.config.openshift.io/cluster is replaced: merge it with your own"]
                if len(documents) > len(_KINDS)
                else []
            ),
            *login,
        ),
    )


def _head(version: str, kind: str, name: str, namespace: str | None = None) -> list[str]:
    return [
        f"apiVersion: {version}",
        f"kind: {kind}",
        "metadata:",
        f"  name: {name}",
        *([f"  namespace: {namespace}"] if namespace else []),
    ]


def _mirror_set(mirror: Mirror, kind: str, field: str) -> list[str]:
    policy = "NeverContactSource" if mirror.is_sealed else "AllowContactingSource"
    lines = [*_head("config.openshift.io/v1", kind, "storectl"), "spec:", f"  {field}:"]
    for upstream in mirror.upstreams:
        lines += [
            f"    - source: {quoted(upstream)}",
            "      mirrors:",
            f"        - {quoted(f'{mirror.host}/{alias(upstream)}')}",
            f"      mirrorSourcePolicy: {policy}",
        ]
    return lines


def _config_map(mirror: Mirror, authority: str) -> list[str]:
    # A key of a ConfigMap has no colon: OpenShift wants two dots before the port.
    return [
        *_head("v1", "ConfigMap", _CONFIG_MAP, "openshift-config"),
        "data:",
        f"  {quoted(mirror.host.replace(':', '..'))}: |",
        *(f"    {line}" for line in authority.splitlines()),
    ]


def _image(mirror: Mirror) -> list[str]:
    lines = [*_head("config.openshift.io/v1", "Image", "cluster"), "spec:"]
    if mirror.authority is not None:
        lines += ["  additionalTrustedCA:", f"    name: {_CONFIG_MAP}"]
    if mirror.is_insecure:
        lines += ["  registrySources:", "    insecureRegistries:", f"      - {quoted(mirror.host)}"]
    return lines
