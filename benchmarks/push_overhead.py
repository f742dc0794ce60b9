"""What our receive path adds to git's own: the same pushes to our server and to `git http-backend`.

    python -m benchmarks.push_overhead [--rounds 15]

Two pushes are measured by a real git client: one commit on top of what is there, and a whole history of
16,000 objects into an empty repository. Against our server (authentication, checks, worker, Build and its
story by stand-ins that take no time) and against `git http-backend` behind a minimal CGI runner, once as
git comes and once with the checks and flushes that ours demands. All three take turns, so that whatever
else the machine does hits them alike. Goals: at most 1.25 and 1.2 times `git http-backend`.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from paas.git.process import STORE_CONFIG
from tests.support.git_server import Clone, new_clone, started

RESULTS = Path(__file__).parent / "results" / "push_overhead.json"
GOALS = {"one commit": 1.25, "16,000 objects": 1.2}


class Cgi(http.server.BaseHTTPRequestHandler):
    """Runs `git http-backend` for a request, as any web server would."""

    protocol_version = "HTTP/1.1"
    root: Path
    config: Mapping[str, str]

    def do_GET(self) -> None:
        self._run()

    def do_POST(self) -> None:
        self._run()

    def log_message(self, *_: object) -> None:
        pass

    def _run(self) -> None:
        path, _, query = self.path.partition("?")
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": "/nonexistent",
            "REMOTE_USER": "alice",
            "REMOTE_ADDR": "127.0.0.1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_COUNT": str(len(self.config)),
        }
        for number, (key, value) in enumerate(self.config.items()):
            env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        if length := self.headers.get("Content-Length"):
            env["CONTENT_LENGTH"] = length
        child = subprocess.Popen(
            ["git", "http-backend"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert child.stdin is not None
        assert child.stdout is not None
        for piece in self._body():
            child.stdin.write(piece)
        child.stdin.close()
        status = 200
        headers = []
        while line := child.stdout.readline().rstrip(b"\r\n"):
            name, _, value = line.decode().partition(": ")
            if name == "Status":
                status = int(value.split()[0])
            else:
                headers.append((name, value))
        body = child.stdout.read()
        child.wait()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left and (piece := self.rfile.read(min(left, 2**16))):
            left -= len(piece)
            yield piece


class Backend:
    """`git http-backend` over a folder of bare repositories."""

    def __init__(self, root: Path, config: Mapping[str, str]) -> None:
        self.root, self.config = root, config
        root.mkdir()
        handler = type("Handler", (Cgi,), {"root": root, "config": {"http.receivepack": "true", **config}})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def new(self, name: str) -> str:
        subprocess.run(["git", "init", "-q", "--bare", str(self.root / f"{name}.git")], check=True)
        return f"http://127.0.0.1:{self.server.server_port}/{name}.git"


def history(clone: Clone, *, commits: int = 1780) -> int:
    """Fill a clone with a history of about 16,000 objects; how many there are."""
    stream = []
    for number in range(commits):
        stream.append(f"commit refs/heads/main\ncommitter A <a@example.com> {1700000000 + number} +0000\n")
        stream.append("data 6\nChange\n")
        for folder in range(3):
            text = f"{number} {folder} " + "line of a source file\n" * (20 + number % 30)
            place = f"src/part{(number * 7 + folder * 31) % 40}/file{(number + folder) % 90}.py"
            stream.append(f"M 100644 inline {place}\ndata {len(text)}\n{text}\n")
    text = "FROM scratch\n"
    stream.append("commit refs/heads/main\ncommitter A <a@example.com> 1800000000 +0000\ndata 1\nx\n")
    stream.append(f"M 100644 inline Dockerfile\ndata {len(text)}\n{text}\n")
    subprocess.run(
        ["git", "fast-import", "--quiet"],
        cwd=clone.path,
        input="".join(stream).encode(),
        env=clone.env(),
        check=True,
    )
    clone.git("reset", "-q", "--hard", ok=True)
    counted = clone.git("count-objects", "-v", ok=True).out
    return sum(
        int(line.split()[1]) for line in counted.splitlines() if line.startswith(("count:", "in-pack:"))
    )


def timed(clone: Clone, url: str) -> float:
    began = time.perf_counter()
    clone.git("push", "-q", url, "main:main", ok=True)
    return time.perf_counter() - began


def measure(rounds: int, folder: Path) -> dict[str, dict[str, object]]:
    checks = {
        key: value for key, value in STORE_CONFIG.items() if key.startswith(("receive.fsck", "core.fsync"))
    }
    plain, checked = Backend(folder / "plain", {}), Backend(folder / "checked", checks)
    with started(folder / "serving") as server:

        def ours(name: str) -> str:
            server.world.add_config(name)
            return server.url(name)

        targets: dict[str, Callable[[str], str]] = {
            "ours": ours,
            "backend": plain.new,
            "checked": checked.new,
        }
        small, large = new_clone(folder / "small"), new_clone(folder / "large")
        objects = history(large)
        print(f"history of {objects} objects", file=sys.stderr)
        times: dict[str, dict[str, list[float]]] = {case: {name: [] for name in targets} for case in GOALS}
        urls = {name: make("small") for name, make in targets.items()}
        small.commit("Before")
        for url in urls.values():
            timed(small, url)
        for number in range(rounds):
            small.commit(f"Change {number}")
            for name in turn(targets, number):
                times["one commit"][name].append(timed(small, urls[name]))
        for number in range(max(3, rounds // 3)):
            for name in turn(targets, number):
                times["16,000 objects"][name].append(timed(large, targets[name](f"large-{number}")))
    return {case: summary(case, of) for case, of in times.items()}


def turn(targets: Mapping[str, object], number: int) -> list[str]:
    """The targets, beginning with another one each time."""
    names = list(targets)
    return names[number % len(names) :] + names[: number % len(names)]


def summary(case: str, of: Mapping[str, list[float]]) -> dict[str, object]:
    median = {name: round(statistics.median(values) * 1000, 1) for name, values in of.items()}
    return {
        "milliseconds": median,
        "over git http-backend": round(median["ours"] / median["backend"], 2),
        "over git http-backend with the same checks": round(median["ours"] / median["checked"], 2),
        "goal": GOALS[case],
        "rounds": len(of["ours"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="push-overhead-"))
    try:
        results = measure(options.rounds, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
