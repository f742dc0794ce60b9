"""Requests of commands to the platform itself, as the person that the kubeconfig names.

The platform may be away for seconds (a restart), and an answer may be lost. So a request is repeated for a
while; what it asks for must be such that doing it twice is doing it once.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from paas.terminal.kubeconfig import Login, load
from paas.terminal.platform_token import Refused, forget_token, token_for
from paas.terminal.problem import ExitCode, Problem
from paas.terminal.rest import in_pod

if TYPE_CHECKING:
    import aiohttp

    from paas.terminal.session import Platform, Session

INTERNAL = "https://paas.paas.internal"
"""The platform's address inside the cluster."""
OWN_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
REPEATED_SECONDS = 30.0
PAUSE_SECONDS = 2.0
ANSWER_SECONDS = 60.0
AWAY = frozenset({502, 503, 504})
"""Statuses of a platform that is not there at the moment, from itself or from what stands before it."""


@dataclass(frozen=True)
class Answered:
    """Status and JSON of an answer; {} when it is no JSON object."""

    status: int
    content: dict[str, Any]


@dataclass(frozen=True)
class Address:
    """Where to connect to, and by which name the platform is known there."""

    url: str
    host: str
    """Host header, with the port."""
    name: str
    """Name in the certificate."""


def address(url: str, *, inside: bool) -> Address:
    """How the platform at `url` is reached: names below localhost are this machine's, which the system's
    resolver may not know, and in a pod they are the pod's."""
    parts = urlsplit(url)
    name = parts.hostname or ""
    if name != "localhost" and not name.endswith(".localhost"):
        return Address(url, parts.netloc, name)
    if inside:
        host = urlsplit(INTERNAL).netloc
        return Address(INTERNAL, host, host)
    return Address(f"https://127.0.0.1:{parts.port or 443}{parts.path}", parts.netloc, name)


async def post(session: Session, path: str, content: Mapping[str, Any], *, project: str) -> Answered:
    """POST JSON to the platform as a member of this project. Raises Problem."""
    import aiohttp

    platform = await session.platform()
    inside = in_pod(session.kubeconfig)
    login = None if inside else load(session.kubeconfig, context=session.context)
    where = address(platform.url, inside=inside)
    until = time.monotonic() + REPEATED_SECONDS
    said = renewed = False
    # a proxy of the environment leads nowhere when the platform is on this machine
    async with aiohttp.ClientSession(trust_env=where.url == platform.url) as client:
        while True:
            token = await asyncio.to_thread(_token, login, project)
            why, answer = "", None
            try:
                answer = await _send(client, platform, where, path, content, token)
            except aiohttp.ClientSSLError as problem:
                raise Problem(
                    f"what answers at {platform.url} is not the platform, or its certificate has changed",
                    why=str(problem),
                    hint="paas doctor",
                ) from problem
            except (aiohttp.ClientError, TimeoutError, OSError) as problem:
                why = str(problem) or type(problem).__name__
            if answer is not None and answer.status == 401 and login and login.certificate and not renewed:
                # the account was made again since its token was kept
                renewed = True
                forget_token(login, project, environment=os.environ)
                continue
            if answer is not None and answer.status not in AWAY:
                return answer
            if time.monotonic() > until:
                if answer is not None and answer.content:
                    return answer
                raise Problem(
                    f"the platform at {platform.url} does not answer",
                    why=why or f"HTTP status {answer.status if answer else 'unknown'}",
                    hint="paas doctor; it may have got the request nevertheless, "
                    f"see: paas get builds -n {project}",
                )
            if not said:
                session.say("the platform does not answer at the moment; trying again for half a minute")
                said = True
            await asyncio.sleep(PAUSE_SECONDS)


async def _send(
    client: aiohttp.ClientSession,
    platform: Platform,
    where: Address,
    path: str,
    content: Mapping[str, Any],
    token: str,
) -> Answered:
    import aiohttp

    tls = ssl.create_default_context(cadata=platform.ca) if platform.ca else ssl.create_default_context()
    async with client.post(
        where.url + path,
        data=json.dumps(content),
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Host": where.host,
        },
        ssl=tls,
        server_hostname=where.name,
        timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS, connect=10),
        allow_redirects=False,  # the token is for the platform alone
    ) as response:
        body = await response.read()
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    return Answered(response.status, found if isinstance(found, dict) else {})


def _token(login: Login | None, project: str) -> str:
    """Raises Problem."""
    if login is None:
        return OWN_TOKEN.read_text().strip()
    try:
        return token_for(login, project, environment=os.environ)[0]
    except Refused as problem:
        raise Problem(str(problem), hint=problem.hint, code=ExitCode.NOT_ALLOWED) from problem
