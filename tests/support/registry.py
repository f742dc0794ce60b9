"""A real registry over TLS on loopback, without authentication, for tests that need one to answer."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from paas.node import build, pki


@dataclass
class Registry:
    """`address` is host:port, `ca_file` the authority of its certificate."""

    address: str
    ca_file: Path
    _command: list[str] = field(repr=False, default_factory=list)
    _process: subprocess.Popen[bytes] | None = None

    def push(self, repository: str, tag: str, *, content: str = "") -> str:
        """Store an image without layers under a tag; its digest."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "comment": content}).encode()
        blob = f"sha256:{hashlib.sha256(config).hexdigest()}"
        started = self._send("POST", f"/v2/{repository}/blobs/uploads/", b"", "")
        location = started.headers["Location"]
        joint = "&" if "?" in location else "?"
        self._send("PUT", f"{location}{joint}digest={blob}", config, "application/octet-stream")
        kind = "application/vnd.oci.image.manifest.v1+json"
        manifest = {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": blob,
                "size": len(config),
            },
            "layers": [],
        }
        answer = self._send("PUT", f"/v2/{repository}/manifests/{tag}", json.dumps(manifest).encode(), kind)
        return str(answer.headers["Docker-Content-Digest"])

    def _send(self, method: str, where: str, body: bytes, kind: str) -> urllib.request.addinfourl:
        url = where if where.startswith("https://") else f"https://{self.address}{where}"
        request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": kind})
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
    registry = Registry(
        f"127.0.0.1:{port}", ca_file, [str(binaries / "registry"), "serve", str(folder / "registry.json")]
    )
    registry.start()
    try:
        yield registry
    finally:
        registry.stop()
