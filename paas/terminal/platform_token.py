"""The token by which a person is known to the platform, for git and for commands.

A kubeconfig with a token (also one of a login command) answers with that token. A kubeconfig with a client
certificate has none that could be sent: it gets a token of the project's `pusher` account from the API server
(audience paas.dev, an hour), which is kept in a file of the user until five minutes before it ends.

git starts the credential helper for every request, so this imports the standard library only.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from paas.api.names import SERVICE_ACCOUNT_PUSHER, TOKEN_AUDIENCE
from paas.api.resources import SERVICEACCOUNT
from paas.kube.private_cache import NOTHING, PrivateCache, runtime_folder
from paas.terminal.kubeconfig import Login

LIFETIME = 3600
"""Seconds that a requested token lives."""
MARGIN = 300
"""A kept token is not used in its last seconds: a long push must not outlive it."""


class Refused(Exception):
    """No token: what happened; `hint` is what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


def _name(login: Login, project: str) -> str:
    """Of the file with the token of this login and project. The certificate is part of it, so another user's
    login, or a cluster made again under the old address, never finds it."""
    identity = "\0".join((login.server, login.user, login.certificate or "", login.ca or "", project))
    return f"token-{hashlib.sha256(identity.encode()).hexdigest()[:32]}"


def _cache(environment: Mapping[str, str]) -> PrivateCache:
    return PrivateCache(runtime_folder(environment), NOTHING)


def kept_token(
    login: Login, project: str, *, environment: Mapping[str, str], now: float
) -> tuple[str, float] | None:
    """The kept token and when it ends (Unix time), or None."""
    text = _cache(environment).read(_name(login, project), seconds=LIFETIME)
    try:
        kept = json.loads(text or "")
        token, expires = str(kept["token"]), float(kept["expires"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return (token, expires) if now < expires - MARGIN else None


def keep_token(
    login: Login, project: str, token: str, expires: float, *, environment: Mapping[str, str]
) -> None:
    """Keep the token; when that is not possible, the next request asks for another one."""
    text = json.dumps({"token": token, "expires": expires})
    _cache(environment).write(_name(login, project), text)


def forget_token(login: Login, project: str, *, environment: Mapping[str, str]) -> None:
    """The platform does not accept it: the next request asks for another one."""
    _cache(environment).forget(_name(login, project))


def request_token(login: Login, project: str) -> tuple[str, float]:
    """A token of the project's pusher account and when it ends. Raises Refused."""
    where = urlsplit(login.server)
    if where.scheme != "https" or not where.hostname:
        raise Refused(f"the API server's address {login.server} is not https", "correct it in the kubeconfig")
    connection = _Connection(login, where.hostname, where.port or 443)
    path = where.path + SERVICEACCOUNT.path(project, SERVICE_ACCOUNT_PUSHER, "token")
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [TOKEN_AUDIENCE], "expirationSeconds": LIFETIME},
    }
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        data = answer.read()
    except (OSError, http.client.HTTPException) as problem:
        why = str(problem) or type(problem).__name__
        raise Refused(f"the API server at {login.server} does not answer: {why}", "paas doctor") from problem
    finally:
        connection.close()
    if answer.status == 404:
        raise Refused(
            f'project "{project}" does not exist, or is not ready yet', f"paas new-project {project}"
        )
    if answer.status in (401, 403):
        raise Refused(
            f'context "{login.context}" may neither push to nor build in project "{project}"',
            "ask an administrator of the project for the role edit, or take another context",
        )
    if answer.status >= 300:
        raise Refused(f"the API server answered {answer.status}", "paas doctor")
    try:
        status = json.loads(data)["status"]
        return str(status["token"]), datetime.fromisoformat(status["expirationTimestamp"]).timestamp()
    except (ValueError, KeyError, TypeError) as problem:
        what = f"what answers at {login.server} is no API server: it gave no token"
        raise Refused(what, "check the address in the kubeconfig") from problem


class _Connection(http.client.HTTPSConnection):
    """HTTPS that honours the kubeconfig's tls-server-name."""

    def __init__(self, login: Login, host: str, port: int) -> None:
        self._tls = login.tls()
        self._name = login.tls_server_name or host
        super().__init__(host, port, timeout=20, context=self._tls)

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name)


def expiry(token: str) -> float | None:
    """When a token ends (Unix time), if it is a JWT that says so. It is only read here, not believed: the API
    server decides."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, TypeError):
        return None


def token_for(login: Login, project: str, *, environment: Mapping[str, str]) -> tuple[str, float | None]:
    """The token, and when it ends (None: the kubeconfig's own business). Raises Refused."""
    if login.token is not None:
        ended = expiry(login.token)
        if ended is not None and ended <= time.time():
            raise Refused(
                f'the token of user "{login.user}" in the kubeconfig has expired, at '
                f"{datetime.fromtimestamp(ended, UTC):%Y-%m-%d %H:%M} UTC",
                "log in to the cluster again, as you did to get this kubeconfig; then try again",
            )
        return login.token, None
    if login.certificate is None:
        raise Refused(
            f'user "{login.user}" of the kubeconfig has neither a token nor a certificate',
            "log in again, or take another context: kubectl config get-contexts",
        )
    kept = kept_token(login, project, environment=environment, now=time.time())
    if kept is None:
        kept = request_token(login, project)
        keep_token(login, project, *kept, environment=environment)
    return kept
