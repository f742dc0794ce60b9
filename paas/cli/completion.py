"""What the shell completes from the cluster: kinds, names of each kind, applications, projects.

It must be quick and never disturb: whatever goes wrong, and after a second and a half, it offers nothing.
Names come from whoever may create objects, and the shell reads what is offered as its own language: zsh
evaluates it, bash puts it into the line as it is.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from paas.cli.objects import OWN, PROJECT_WORDS
from paas.terminal.naming import APP_WORDS

if TYPE_CHECKING:
    from paas.kube.cluster import Cluster
    from paas.kube.mapper import Served

WITHIN: Final = 1.5
"""Seconds that a person waits for a completion."""
LIMIT: Final = 500
NAMES_ONLY: Final = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/=-]*", re.ASCII)
"""Words that no shell takes for more than a word, and no command for an option."""
PARAMETERS: Final[Mapping[tuple[str, ...], tuple[str, str]]] = {
    ("status",): ("name", "dc"),
    ("logs",): ("what", "logs"),
    ("get",): ("what", "objects"),
    ("delete",): ("what", "objects"),
    ("git-remote",): ("name", "bc"),
    ("start-build",): ("name", "bc"),
    ("cancel-build",): ("builds", "builds"),
    ("rollout", "latest"): ("name", "dc"),
    ("rollout", "status"): ("name", "dc"),
    ("rollout", "history"): ("name", "dc"),
    ("rollout", "undo"): ("name", "dc"),
    ("set", "env"): ("name", "dc"),
    ("unpin",): ("name", "dc"),
    ("open",): ("name", "routes"),
    ("expose",): ("service", "services"),
    ("project",): ("name", "projects"),
}
"""The argument of each command that is a name, and of what."""


def attach(root: Any) -> None:
    """Let the shell complete these arguments, and -n and -o, of all commands."""
    for path, (name, what) in PARAMETERS.items():
        command = root
        for word in path:
            command = command.commands[word]
        _set(next(each for each in command.params if each.name == name), what)
    pending = [root]
    while pending:
        command = pending.pop()
        pending += getattr(command, "commands", {}).values()
        for each in command.params:
            if each.name == "namespace":
                _set(each, "projects")
            elif each.name == "output" and command.name == "get":
                _set(each, "forms")


def _set(parameter: Any, what: str) -> None:
    parameter._custom_shell_complete = lambda context, _, incomplete: offered(context, what, incomplete)


def offered(context: Any, what: str, incomplete: str) -> list[str]:
    """The words that continue `incomplete`; none when the cluster does not say."""
    if what == "forms":
        forms = ("wide", "json", "yaml", "name", "jsonpath=", "custom-columns=")
        return [form for form in forms if form.startswith(incomplete)]
    before = context.find_root().params
    given = {
        option: context.params.get(option) or before.get(option)
        for option in ("namespace", "context", "kubeconfig")
    }
    typed = context.params.get("what") or ()
    words = [typed] if isinstance(typed, str) else list(typed)
    try:
        # a login command of the kubeconfig holds the loop up, and with it the loop's own time limit
        signal.signal(signal.SIGALRM, _too_late)
        signal.setitimer(signal.ITIMER_REAL, WITHIN)
        return asyncio.run(_asked(given, what, words, incomplete))
    except Exception:
        # the shell shows whatever is written here in the middle of the line that is being typed, so a cluster
        # that is away and a defect of ours are both no words; PAAS_DEBUG=1 shows which it is
        if os.environ.get("PAAS_DEBUG"):
            raise
        return []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _too_late(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError


async def _asked(given: Mapping[str, Any], what: str, words: Sequence[str], incomplete: str) -> list[str]:
    from paas.kube import discovery  # noqa: F401 - the time is for the cluster, not for reading our code
    from paas.terminal.rest import connect

    kubeconfig = Path(given["kubeconfig"]) if given["kubeconfig"] else None
    async with await connect(kubeconfig, context=given["context"]) as cluster:
        project = given["namespace"] or cluster.namespace
        found = await words_for(cluster, project, what, words, incomplete)
    return sorted({word for word in found if word.startswith(incomplete) and _PLAIN.fullmatch(word)})


async def words_for(
    cluster: Cluster, project: str, what: str, words: Sequence[str], incomplete: str
) -> list[str]:
    """What can come next: names of the kind `what`; for `get` and `delete` kinds, then names of theirs; for
    `logs` applications, or names behind build/, bc/, dc/ and pod/."""
    if what == "projects":
        return await _projects(cluster)
    kind, slash, _ = incomplete.rpartition("/")
    if slash:
        return [f"{kind}/{name}" for name in await _names(cluster, project, kind)]
    if what == "logs":
        return [*await _names(cluster, project, "dc"), "build/", "bc/", "dc/", "pod/"]
    if what != "objects":
        return await _names(cluster, project, what)
    if words and "/" not in words[0]:
        if words[0].lower() in PROJECT_WORDS:
            return await _projects(cluster)
        return [] if "," in words[0] else await _names(cluster, project, words[0])
    return ["all", "apps", "projects", *(await _kinds(cluster))]


async def _names(cluster: Cluster, project: str, word: str) -> list[str]:
    from paas.kube import discovery

    word = "dc" if word.lower() in APP_WORDS else word
    (kind,) = await discovery.find(cluster, word)
    namespace = project if kind.resource.namespaced else None
    return await _listed(cluster, kind, namespace, {})


async def _projects(cluster: Cluster) -> list[str]:
    from paas.api.names import LABEL_PROJECT
    from paas.kube import discovery

    (kind,) = await discovery.find(cluster, "namespaces")
    return await _listed(cluster, kind, None, {"labelSelector": f"{LABEL_PROJECT}=true"})


async def _listed(cluster: Cluster, kind: Served, namespace: str | None, query: dict[str, str]) -> list[str]:
    answer = await cluster.request(
        "GET", kind.resource.path(namespace), query={**query, "limit": LIMIT}, accept=NAMES_ONLY
    )
    return [item["metadata"]["name"] for item in answer["items"]]


async def _kinds(cluster: Cluster) -> list[str]:
    """The plurals that can be listed, with their group where two share one."""
    from paas.kube import discovery

    mapper = await discovery.discover(cluster)
    served = [each for each in mapper.served if each.can("list")]
    own = [name.partition(".")[0] for name in OWN]
    return own + [
        each.resource.plural if mapper.find(each.resource.plural) == each else str(each.resource)
        for each in served
    ]
