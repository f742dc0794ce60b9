"""Kubeconfigs, with everything embedded so that the file can be copied elsewhere."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml


def render(*, server: str, authority: str, certificate: str, key: str, name: str) -> str:
    """YAML of a kubeconfig with one cluster, user and context called `name`; the rest are PEM texts."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"server": server, "certificate-authority-data": _data(authority)}}
        ],
        "users": [
            {
                "name": name,
                "user": {"client-certificate-data": _data(certificate), "client-key-data": _data(key)},
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return yaml.safe_dump(document, sort_keys=False)


def of_leaf(pki: Path, leaf: str, *, server: str, name: str) -> str:
    """The kubeconfig of a client certificate of the cluster CA in `pki`."""
    return render(
        server=server,
        authority=(pki / "cluster-ca.crt").read_text(),
        certificate=(pki / f"{leaf}.crt").read_text(),
        key=(pki / f"{leaf}.key").read_text(),
        name=name,
    )


def _data(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
