"""What `fetch` is asked and what it answers: the contract between the builds room and the build pod.

The request is JSON in a Secret of the Build, so nothing of the user's ever becomes an argument of a
command line. The report is the termination message of the init container.

Plain dataclasses: `fetch` starts again in every build, and what it imports is part of every push's time.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Self
from urllib.parse import quote

REQUEST_FOLDER: Final = "/paas/order"
"""Mounted in the fetch container: the request, password, ca.crt. The names on disk are a contract with
images of builds under way, so they stay."""
REQUEST_FILE: Final = "order.json"
PASSWORD_FILE: Final = "password"
CA_FILE: Final = "ca.crt"
SECRET_FOLDER: Final = "/paas/source-secret"
"""Mounted in the fetch container: username and password for an external repository."""
REPORT_BYTES: Final = 4000
"""Of a report: Kubernetes cuts termination messages at 4,096 bytes."""
WORKSPACE: Final = "/workspace"
"""Where fetch leaves the source (SOURCE) and the Dockerfile (DOCKERFILE)."""
SOURCE: Final = "source"
DOCKERFILE: Final = "Dockerfile"


class Document:
    """JSON object with the fields of the dataclass; absent ones are left out, unknown ones ignored."""

    def to_json(self) -> str:
        given: dict[str, Any] = asdict(self)  # type: ignore[call-overload]
        return json.dumps({name: value for name, value in given.items() if value is not None})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises ValueError when the text is no JSON object, TypeError when it lacks a field."""
        try:
            said = json.loads(text)
        except RecursionError:
            raise ValueError("the text is nested too deeply") from None
        if not isinstance(said, dict):
            raise ValueError(f"{said!r} is not an object")
        known = {each.name for each in fields(cls)}  # type: ignore[arg-type]
        return cls(**{name: value for name, value in said.items() if name in known})


@dataclass(frozen=True)
class FetchRequest(Document):
    """Fetch one commit. Hosted: `archive` (URL of a tar of the commit), `user`, and the frozen
    `dockerfile`. External: `uri`, `ref`, and `commit` unless the head of `ref` is wanted; what is built
    by is then detected."""

    archive: str | None = None
    user: str | None = None
    dockerfile: str | None = None
    uri: str | None = None
    ref: str | None = None
    commit: str | None = None
    context_dir: str | None = None
    dockerfile_path: str | None = None
    inline: str | None = None
    build_args: dict[str, str] = field(default_factory=dict)
    runtime_registry: str = ""
    allowed_addresses: tuple[str, ...] = ()
    """CIDRs of private addresses that `uri` may resolve to."""
    environment: dict[str, str] = field(default_factory=dict)
    """Set in the image at the end of the Dockerfile; PAAS_BUILD_COMMIT is added."""
    labels: dict[str, str] = field(default_factory=dict)
    """Labels of the image, likewise; org.opencontainers.image.revision is added."""
    content_key: str | None = None
    buildpack: str | None = None
    size_limit: int = 4 * 2**30
    """Bytes of the unpacked source."""
    seconds: int = 1800
    """Time that fetching may take."""


@dataclass(frozen=True)
class FetchReport(Document):
    """What was fetched; or, with `reason` and `message`, why it could not be.

    Whoever may run commands in the build pod can write it: what is no text is refused (TypeError).
    """

    commit: str | None = None
    content_key: str | None = None
    buildpack: str | None = None
    reason: str | None = None
    message: str | None = None

    def fitting(self, limit: int = REPORT_BYTES) -> bytes:
        """JSON in UTF-8 of at most `limit` bytes, the end of the message left out if need be.

        What is cut by somebody else is no JSON any more, and bytes are counted, not characters: in most
        scripts a character takes two to four of them.
        """
        given = {name: value for name, value in asdict(self).items() if value is not None}
        message = str(given.get("message", "")).encode("utf-8", "backslashreplace")
        while True:
            if "message" in given:
                given["message"] = message.decode("utf-8", "ignore")
            encoded = json.dumps(given, ensure_ascii=False).encode()
            over = len(encoded) - limit
            if over <= 0 or not message:
                return encoded
            # JSON writes a byte as at most six, so this much is surely too much
            message = message[: len(message) - max(1, over // 6)]

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None and not isinstance(value, str):
                raise TypeError(f"{each.name} is no text")


def repository_path(project: str, buildconfig: str) -> str:
    """URL path of a hosted repository on the server."""
    return f"/git/{quote(project)}/{quote(buildconfig)}.git"


def archive_path(project: str, buildconfig: str, commit: str) -> str:
    """URL path of the tar of one commit of it, for build pods."""
    return f"/git/{quote(project)}/{quote(buildconfig)}/archive/{quote(commit)}.tar"
