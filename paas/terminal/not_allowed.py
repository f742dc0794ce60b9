"""What the API server's authorizer says: which right is lacking, and who could give it. Pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Final

_LACKING: Final = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>[\w*-]+) resource "(?P<resource>[^"]+)" in API group "[^"]*"'
    r'(?: in the namespace "(?P<namespace>[^"]+)"| at the cluster scope)?'
)
"""Kubernetes' words for it: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go."""
_READING: Final = ("get", "list", "watch")
_ACCOUNT: Final = "system:serviceaccount:"


@dataclass(frozen=True)
class Lacking:
    """A right that `user` does not have: `namespace` is '' for the whole cluster."""

    user: str
    verb: str
    resource: str
    namespace: str = ""

    def __str__(self) -> str:
        where = f'in project "{self.namespace}"' if self.namespace else "of the whole cluster"
        what = self.resource.partition("/")
        thing = f"{what[2]} of {what[0]}" if what[1] else what[0]
        return f"you may not {self.verb} {thing} {where}"


def lacking(message: str) -> Lacking | None:
    """The right that the message names; None when it is about something else (a quota, a policy)."""
    found = _LACKING.search(message)
    if found is None:
        return None
    return Lacking(found["user"], found["verb"], found["resource"], found["namespace"] or "")


def subject(user: str) -> str:
    """The option of `kubectl create rolebinding` that names this user."""
    if user.startswith(_ACCOUNT):
        return f"--serviceaccount={user.removeprefix(_ACCOUNT)}"
    return f"--user={shlex.quote(user)}"


def grant(role: str, user: str, *, namespace: str) -> str:
    """The command that gives this user a ClusterRole in a namespace; each user's binding has its own name."""
    return (
        f"kubectl create rolebinding {role}-{_name(user)} -n {namespace} --clusterrole={role} {subject(user)}"
    )


def hint_of(right: Lacking) -> str:
    """Who can give the right, and by which command; or what can be done without it."""
    if right.namespace:
        role = "edit"
        if right.resource.startswith(("roles", "rolebindings")):
            role = "admin"
        elif right.verb in _READING and right.resource != "secrets":
            role = "view"
        return (
            "an administrator of the project gives it with: "
            f"{grant(role, right.user, namespace=right.namespace)}"
        )
    if (right.verb, right.resource) == ("create", "namespaces"):
        return (
            "ask an administrator of the cluster to make it, and to give it to you: "
            f"{grant('admin', right.user, namespace='NAME')}"
        )
    if right.verb in _READING:
        return "leave -A out and name a project with -n; paas get projects lists yours"
    return "ask an administrator of the cluster; kubectl auth can-i --list shows what you may do"


def _name(user: str) -> str:
    """A user's name as a part of an object's name."""
    return re.sub(r"[^a-z0-9]+", "-", user.rpartition(":")[2].lower()).strip("-") or "user"
