"""A tiny web application: says where it runs and which commit it was built from."""

import html
import os
import signal
import socket

from waitress import serve

GREETING = "Hello from paas"


def application(environ, start_response):
    """One page, and /healthz for the readiness probe."""
    if environ["PATH_INFO"] == "/healthz":
        start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"ok\n"]
    if environ["PATH_INFO"] != "/":
        start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"There is only / and /healthz here.\n"]
    commit = os.environ.get("PAAS_BUILD_COMMIT", "unknown")[:7]
    build = os.environ.get("PAAS_BUILD_NAME", "none")
    text = f"{GREETING}: commit {commit}, build {build}, pod {socket.gethostname()}\n"
    if "text/html" in environ.get("HTTP_ACCEPT", ""):
        page = f"<!doctype html><title>paas sample</title><h1>{html.escape(text)}</h1>\n"
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [page.encode()]
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode()]


def stop(number, frame):
    """SIGTERM comes at every rollout; Waitress finishes what it is answering and ends."""
    raise SystemExit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    port = int(os.environ.get("PORT", "8080"))
    print(f"listening on {port}", flush=True)
    serve(application, host="0.0.0.0", port=port, ident=None)
