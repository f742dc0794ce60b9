"""A git host of its own for tests: real `git http-backend` and archives behind TLS.

On loopback inside a test (`serving`), or by itself in a pod: `python git_host.py ROOT CERT KEY PORT NAME...`
serves a repository of each name, to which everybody may push.
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from paas.node import pki

GIT_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{role}_{what}": "ann" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def git(folder: Path, *command: str) -> str:
    """Run git without anybody's configuration; its output."""
    done = subprocess.run(
        ["git", *command], cwd=folder, env=GIT_ENVIRONMENT, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@dataclass
class GitHost:
    """Serves the bare repositories `root/<name>.git`. `login` (user, password) makes them private."""

    root: Path
    url: str
    ca_file: Path
    login: tuple[str, str] | None = None
    redirect: str | None = None
    failures: int = 0
    """How many of the next answers break off in the middle."""
    requests: list[str] = field(default_factory=list)
    archive: Callable[[str], bytes] | None = None
    """Content of /archive/<anything>, for `fetch` of a hosted source."""

    def repository(self, name: str, *, reachable: bool = True) -> Path:
        """A new bare repository; `reachable` allows fetching commits that are no tip."""
        path = self.root / f"{name}.git"
        git(self.root, "init", "-q", "--bare", "-b", "main", str(path))
        if reachable:
            git(path, "config", "uploadpack.allowReachableSHA1InWant", "true")
        return path


@contextlib.contextmanager
def serving(root: Path) -> Iterator[GitHost]:
    """A git host on 127.0.0.1 with a certificate of its own authority, until the block ends."""
    ca_file = pki.ensure_authority(root, "ca", common_name="test CA")
    leaf = pki.Leaf(name="host", authority="ca", common_name="host", hosts=("127.0.0.1", "localhost"))
    pki.ensure_leaf(root, leaf)
    host = GitHost(root, "", ca_file)
    server = _server(host, ("127.0.0.1", 0), root / "host.crt", root / "host.key")
    host.url = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def _server(host: GitHost, address: tuple[str, int], certificate: Path, key: Path) -> ThreadingHTTPServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(_Handler):
        git_host = host

    server = ThreadingHTTPServer(address, Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server


def main(root: str, certificate: str, key: str, port: str, *names: str) -> None:
    """Serve until the process is ended."""
    host = GitHost(Path(root), "", Path(certificate))
    for name in names:
        git(host.repository(name), "config", "http.receivepack", "true")
    _server(host, ("", int(port)), Path(certificate), Path(key)).serve_forever()


class _Handler(BaseHTTPRequestHandler):
    git_host: GitHost
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        self.git_host.requests.append(f"{self.command} {self.path}")

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(body)

    def _answer(self, body: bytes) -> None:
        host = self.git_host
        if host.redirect is not None:
            return self._send(302, {"Location": host.redirect + self.path}, b"")
        if host.login is not None:
            wanted = "Basic " + base64.b64encode(":".join(host.login).encode()).decode()
            if self.headers.get("Authorization") != wanted:
                return self._send(401, {"WWW-Authenticate": 'Basic realm="test"'}, b"login please")
        if self.path.startswith("/archive/") and host.archive is not None:
            return self._archive(host.archive(self.path))
        return self._backend(body)

    def _archive(self, content: bytes) -> None:
        if self.git_host.failures:
            self.git_host.failures -= 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self._send(200, {"Content-Type": "application/x-tar"}, content)

    def _backend(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        environment = {
            **GIT_ENVIRONMENT,
            "GIT_PROJECT_ROOT": str(self.git_host.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": self.headers.get("Content-Type") or "",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
            "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(headers.pop("Status", "200 OK").split()[0])
        self._send(status, headers, content)

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    main(*sys.argv[1:])
