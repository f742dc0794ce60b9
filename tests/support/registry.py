"""A real registry over TLS on loopback, without authentication, for tests that need one to answer."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paas.node import build, pki


@dataclass
class Registry:
    """`address` is host:port, `ca_file` the authority of its certificate, `storage` where it keeps images."""

    address: str
    ca_file: Path
    storage: Path
    program: Path
    _command: list[str] = field(repr=False, default_factory=list)
    _process: subprocess.Popen[bytes] | None = None

    def push(self, repository: str, tag: str, *, content: str = "", layers: Sequence[bytes] = ()) -> str:
        """Store an image of these layers under a tag; its digest."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "comment": content}).encode()
        blob = self.upload(repository, config)
        listed = [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": self.upload(repository, layer),
                "size": len(layer),
            }
            for layer in layers
        ]
        kind = "application/vnd.oci.image.manifest.v1+json"
        manifest = {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": blob,
                "size": len(config),
            },
            "layers": listed,
        }
        answer = self._send("PUT", f"/v2/{repository}/manifests/{tag}", json.dumps(manifest).encode(), kind)
        return str(answer.headers["Docker-Content-Digest"])

    def push_list(self, repository: str, tag: str) -> str:
        """Store an index of no images under a tag; its digest."""
        kind = "application/vnd.oci.image.index.v1+json"
        index = {"schemaVersion": 2, "mediaType": kind, "manifests": []}
        answer = self._send("PUT", f"/v2/{repository}/manifests/{tag}", json.dumps(index).encode(), kind)
        return str(answer.headers["Docker-Content-Digest"])

    def upload(self, repository: str, content: bytes) -> str:
        """Store a blob; its digest."""
        blob = f"sha256:{hashlib.sha256(content).hexdigest()}"
        started = self._send("POST", f"/v2/{repository}/blobs/uploads/", b"", "")
        location = started.headers["Location"]
        joint = "&" if "?" in location else "?"
        self._send("PUT", f"{location}{joint}digest={blob}", content, "application/octet-stream")
        return blob

    def has(self, repository: str, digest: str, *, kind: str = "manifests") -> bool:
        """Whether a manifest, or with `kind` blobs a layer, can be pulled from the repository."""
        try:
            self._send("GET", f"/v2/{repository}/{kind}/{digest}", b"", "")
        except urllib.error.HTTPError as answer:
            if answer.code == 404:
                return False
            raise
        return True

    def _send(self, method: str, where: str, body: bytes, kind: str) -> urllib.request.addinfourl:
        url = where if where.startswith("https://") else f"https://{self.address}{where}"
        # what has no Accept is given a manifest of an older kind
        headers = {"Content-Type": kind, "Accept": "application/vnd.oci.image.manifest.v1+json, */*"}
        request = urllib.request.Request(url, data=body or None, method=method, headers=headers)
        context = ssl.create_default_context(cafile=str(self.ca_file))
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            answer.read()
            return answer  # type: ignore[no-any-return]

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"OTEL_TRACES_EXPORTER": "none"},
        )
        host, _, port = self.address.partition(":")
        deadline = time.monotonic() + 15
        while True:
            try:
                socket.create_connection((host, int(port)), 1).close()
                return
            except OSError:
                assert self._process.poll() is None, "the registry ended at its start"
                assert time.monotonic() < deadline, "the registry did not open its port"
                time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Registry]:
    """A registry with its storage in `folder`, until the block ends."""
    binaries = build.ensure(["registry"], progress=lambda line: None)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    ca_file = pki.ensure_authority(folder, "ca", common_name="test CA")
    pki.ensure_leaf(
        folder, pki.Leaf(name="registry", authority="ca", common_name="registry", hosts=("127.0.0.1",))
    )
    settings = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
        "http": {
            "addr": f"127.0.0.1:{port}",
            "tls": {"certificate": str(folder / "registry.crt"), "key": str(folder / "registry.key")},
        },
    }
    (folder / "registry.json").write_text(json.dumps(settings))
    program = binaries / "registry"
    registry = Registry(
        f"127.0.0.1:{port}",
        ca_file,
        folder / "storage",
        program,
        [str(program), "serve", str(folder / "registry.json")],
    )
    registry.start()
    try:
        yield registry
    finally:
        registry.stop()
