"""Builds and streams as JSON data, as short as a test wants them."""

from __future__ import annotations

from paas.api.resources import Manifest

UIDS = {"shop": "uid-shop", "api": "uid-api"}


def digest(letter: str) -> str:
    return "sha256:" + letter * 64


def build(
    number: int,
    *,
    image: str = "a",
    at: int = 0,
    config: str = "shop",
    to: str = "shop:latest",
    phase: str = "Complete",
    project: str = "demo",
) -> Manifest:
    """Build `config`-`number` that ended `at` seconds after ten o'clock with the image of that letter."""
    status: Manifest = {"phase": phase, "completionTimestamp": moment(at)}
    if phase == "Complete":
        status["output"] = {"to": {"imageDigest": digest(image)}}
    return {
        "apiVersion": "paas.dev/v1",
        "kind": "Build",
        "metadata": {
            "namespace": project,
            "name": f"{config}-{number}",
            "uid": f"{config}-{number}-uid",
            "creationTimestamp": "2026-01-01T09:00:00Z",
        },
        "spec": {
            "number": number,
            "buildConfig": config,
            "buildConfigUid": UIDS[config],
            "trigger": {"type": "Push"},
            "revision": {"git": {"commit": f"{number:040x}"}},
            "output": {"to": {"kind": "ImageStreamTag", "name": to}},
        },
        "status": status,
    }


def moment(at: int) -> str:
    return f"2026-01-01T10:{at // 60:02d}:{at % 60:02d}Z"


def stream(name: str = "shop", project: str = "demo", **status: object) -> Manifest:
    return {
        "apiVersion": "paas.dev/v1",
        "kind": "ImageStream",
        "metadata": {"namespace": project, "name": name, "uid": f"{name}-uid", "generation": 1},
        "spec": {},
        **({"status": status} if status else {}),
    }
