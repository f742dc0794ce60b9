"""A kubeconfig as the credential helper reads it: one context, one server, one way to authenticate.

git starts the helper for every request it must authenticate, so this reads files with the standard
library only: the API client costs a second to import. `connect` elsewhere uses the real client.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser in C where there is one: ten times as quick."""


class KubeconfigError(Exception):
    """The kubeconfig does not say how to reach the cluster; the text says what is missing."""


class NoSuchContext(KubeconfigError):
    """The context that was named is not there, or none was; `known` are those that are."""

    def __init__(self, name: str | None, known: Iterable[str], files: Sequence[Path]) -> None:
        listed = ", ".join(str(path) for path in files)
        what = f'no context "{name}"' if name else "no current-context"
        super().__init__(f"{listed} has {what}")
        self.known = tuple(sorted(known))


@dataclass(frozen=True)
class Login:
    """One context: the API server and the user. Exactly one of token and certificate is set, or none
    when the kubeconfig has no credential that we can use. `certificate` and `key` are PEM."""

    context: str
    server: str
    namespace: str
    user: str
    ca: str | None = None
    tls_server_name: str | None = None
    token: str | None = None
    certificate: str | None = None
    key: str | None = None
    proxied: bool = False
    """Whether the kubeconfig names a proxy, which only the full client uses."""

    def tls(self) -> ssl.SSLContext:
        """A context that checks the server's certificate and presents the client's, if it has one."""
        context = ssl.create_default_context(cadata=self.ca) if self.ca else ssl.create_default_context()
        if self.certificate and self.key:
            # the ssl module reads key pairs from files only; this one is 0600 and gone right away
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as pair:
                pair.write(self.certificate.rstrip("\n") + "\n" + self.key)
                pair.flush()
                context.load_cert_chain(pair.name)
        return context


def paths(given: Path | None, environment: Mapping[str, str]) -> list[Path]:
    """The files to read: `given`, else those of $KUBECONFIG, else ~/.kube/config."""
    if given is not None:
        return [given]
    listed = [Path(part) for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    return listed or [Path.home() / ".kube" / "config"]


def load(
    given: Path | None = None, *, context: str | None = None, environment: Mapping[str, str] = os.environ
) -> Login:
    """The login of `context` (default: the current one). Several files merge as in kubectl: the first
    that has a name wins. Raises KubeconfigError."""
    files = [path for path in paths(given, environment) if path.is_file()]
    if not files:
        looked = ", ".join(str(path) for path in paths(given, environment))
        raise KubeconfigError(f"no kubeconfig at {looked}")
    try:
        return _load(files, context, environment)
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as problem:
        # written halfway, by hand, or naming a file that is gone
        listed = ", ".join(str(path) for path in files)
        raise KubeconfigError(f"{listed} is no whole kubeconfig: {problem}") from problem


def _load(files: Sequence[Path], context: str | None, environment: Mapping[str, str]) -> Login:
    """Raises KubeconfigError, and whatever a file leads to that is no kubeconfig."""
    entries: dict[str, dict[str, tuple[dict[str, Any], Path]]] = {"contexts": {}, "clusters": {}, "users": {}}
    current = context
    for path in files:
        try:
            data = yaml.load(path.read_text(), _LOADER) or {}  # noqa: S506 - a safe loader
        except (OSError, yaml.YAMLError) as problem:
            raise KubeconfigError(f"{path} cannot be read: {problem}") from problem
        current = current or data.get("current-context")
        for section, found in entries.items():
            for entry in data.get(section) or ():
                found.setdefault(entry["name"], (entry.get(section[:-1]) or {}, path))
    if not current or current not in entries["contexts"]:
        raise NoSuchContext(current, entries["contexts"], files)
    chosen = _entry(entries, "contexts", current)[0]
    cluster, cluster_path = _entry(entries, "clusters", chosen.get("cluster") or "")
    user, user_path = _entry(entries, "users", chosen.get("user") or "")
    if cluster.get("insecure-skip-tls-verify"):
        raise KubeconfigError(
            f'cluster "{chosen["cluster"]}" has insecure-skip-tls-verify; certificates are always checked: '
            "put its CA into certificate-authority-data"
        )
    return Login(
        context=current,
        server=str(cluster.get("server") or "").rstrip("/"),
        namespace=chosen.get("namespace") or "default",
        user=chosen.get("user") or "",
        ca=_pem(cluster, "certificate-authority", cluster_path),
        tls_server_name=cluster.get("tls-server-name"),
        proxied=bool(cluster.get("proxy-url")),
        **_credential(user, user_path, cluster, environment),
    )


def namespaces(
    given: Path | None, context: str, *, environment: Mapping[str, str] = os.environ
) -> frozenset[str]:
    """The namespaces that contexts of the same cluster and user as `context` name."""
    contexts: dict[str, dict[str, Any]] = {}
    for path in paths(given, environment):
        try:
            listed = (yaml.load(path.read_text(), _LOADER) or {}).get("contexts") or ()  # noqa: S506 - a safe loader
            for entry in listed:
                contexts.setdefault(str(entry["name"]), entry.get("context") or {})
        except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError):
            continue  # written halfway; the one in use was read
    same = contexts.get(context) or {}
    return frozenset(
        str(each["namespace"])
        for each in contexts.values()
        if each.get("namespace") and all(each.get(part) == same.get(part) for part in ("cluster", "user"))
    )


def _entry(
    entries: Mapping[str, Mapping[str, tuple[dict[str, Any], Path]]], section: str, name: str
) -> tuple[dict[str, Any], Path]:
    try:
        return entries[section][name]
    except KeyError:
        raise KubeconfigError(f'the kubeconfig has no {section[:-1]} "{name}"') from None


def _pem(entry: Mapping[str, Any], field: str, origin: Path) -> str | None:
    """Data of `<field>-data`, else of the file `<field>`, which is relative to the kubeconfig."""
    if encoded := entry.get(f"{field}-data"):
        return base64.b64decode(encoded).decode()
    if name := entry.get(field):
        return (origin.parent / str(name)).read_text()
    return None


def _credential(
    user: Mapping[str, Any], origin: Path, cluster: Mapping[str, Any], environment: Mapping[str, str]
) -> dict[str, str | None]:
    # kubectl's order: an explicit token beats a certificate, and exec comes when there is neither
    if token := user.get("token"):
        return {"token": str(token)}
    if name := user.get("tokenFile"):
        return {"token": (origin.parent / name).read_text().strip()}
    certificate, key = _pem(user, "client-certificate", origin), _pem(user, "client-key", origin)
    if certificate and key:
        return {"certificate": certificate, "key": key}
    if plugin := user.get("exec"):
        return _run_plugin(plugin, origin, cluster, environment)
    return {}


def _run_plugin(
    plugin: Mapping[str, Any], origin: Path, cluster: Mapping[str, Any], environment: Mapping[str, str]
) -> dict[str, str | None]:
    """The credential that an exec plugin prints (client.authentication.k8s.io ExecCredential)."""
    version = str(plugin.get("apiVersion") or "client.authentication.k8s.io/v1")
    spec: dict[str, Any] = {"interactive": False}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = {k: v for k, v in cluster.items() if k in ("server", "certificate-authority-data")}
    request = {"apiVersion": version, "kind": "ExecCredential", "spec": spec}
    extra = {pair["name"]: pair["value"] for pair in plugin.get("env") or ()}
    name = str(plugin.get("command") or "")
    if os.sep in name and not os.path.isabs(name):
        name = str(origin.parent / name)
    try:
        done = subprocess.run(
            [name, *(plugin.get("args") or ())],
            env={**environment, **extra, "KUBERNETES_EXEC_INFO": json.dumps(request)},
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )
        status = json.loads(done.stdout).get("status") or {}
    except (OSError, subprocess.SubprocessError, ValueError) as problem:
        raise KubeconfigError(f"the kubeconfig's login command {name} failed: {problem}") from problem
    if token := status.get("token"):
        return {"token": str(token)}
    return {"certificate": status.get("clientCertificateData"), "key": status.get("clientKeyData")}


def set_namespace(namespace: str, given: Path | None = None, *, context: str | None = None) -> Path:
    """Write `namespace` into `context` (default: the current one); the file that was changed.

    The file is written in place, so that owner and mode stay. Raises KubeconfigError.
    """
    current = context
    loaded = []
    for path in paths(given, os.environ):
        try:
            data = yaml.safe_load(path.read_text()) if path.is_file() else None
        except (OSError, yaml.YAMLError) as problem:
            raise KubeconfigError(f"{path} cannot be read: {problem}") from problem
        if isinstance(data, dict):
            loaded.append((path, data))
            current = current or data.get("current-context")
    for path, data in loaded:
        for entry in data.get("contexts") or ():
            if entry.get("name") == current:
                if not isinstance(entry.get("context"), dict):
                    entry["context"] = {}
                entry["context"]["namespace"] = namespace
                try:
                    path.write_text(yaml.safe_dump(data, sort_keys=False))
                except OSError as problem:
                    raise KubeconfigError(f"{path} cannot be written: {problem}") from problem
                return path
    raise KubeconfigError(f'no kubeconfig has the context "{current or ""}"')
