"""A steady cluster sees no write of the platform but its Lease, through a resync and a restart."""

from __future__ import annotations

import os
import signal
import time

import pytest

from paas.node.audit import Entry
from tests.support.kills import processes, wait_until_alive
from tests.support.platform import Instance, Person, eventually
from tests.support.samples import python_app

pytestmark = pytest.mark.e2e
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
NOTHING_STORED = {"leases", "tokenreviews", "subjectaccessreviews", "selfsubjectaccessreviews"}
"""The heartbeat, and questions."""
QUIET_SECONDS = 15
"""How long nothing may be written at the end of the window; that is what the test is about."""


def ours(instance: Instance, since: int) -> list[Entry]:
    return [e for e in instance.audited()[since:] if e.user.startswith("system:serviceaccount:paas-system:")]


def writes(instance: Instance, since: int) -> list[tuple[str, str, str, str]]:
    return [
        (entry.user, entry.verb, entry.resource, f"{entry.namespace}/{entry.name}")
        for entry in ours(instance, since)
        if entry.verb in WRITES and entry.resource not in NOTHING_STORED
    ]


def listings(instance: Instance, since: int) -> int:
    """How many times the operator has listed Routes (the last resource that a resync reads)."""
    return sum(
        1
        for entry in ours(instance, since)
        if entry.verb == "list" and entry.resource == "routes" and entry.user.endswith(":operator")
    )


def test_a_steady_cluster_sees_no_write(person: Person) -> None:
    instance = person.instance
    folder = person.repository("shop", python_app("one"))
    person.paas("new-app", ".", "--name", "shop", cwd=folder).ok()
    person.push(folder).ok()
    _wait_settled(instance)

    since = len(instance.audited())
    (operator,) = processes(instance, "paas.operator")
    os.kill(operator, signal.SIGHUP)
    eventually(lambda: listings(instance, since) >= 1, seconds=60, what="the resync has read everything")
    os.kill(operator, signal.SIGKILL)
    eventually(
        lambda: processes(instance, "paas.operator") not in ([], [operator]),
        seconds=60,
        what="a new operator",
    )
    wait_until_alive(instance, "paas.operator")
    eventually(
        lambda: listings(instance, since) >= 2, seconds=60, what="the new operator has read everything"
    )
    settled = time.monotonic() + QUIET_SECONDS
    eventually(lambda: time.monotonic() > settled, seconds=QUIET_SECONDS + 5, what="the window has passed")
    assert writes(instance, since) == []


def _wait_settled(instance: Instance) -> None:
    """Wait until earlier tests' projects are gone, and nothing of ours was written for three seconds."""
    eventually(
        lambda: "Terminating" not in instance.kubectl("get", "namespaces").ok().out,
        seconds=180,
        what="earlier projects are gone",
        pause=0.5,
    )
    last = [len(instance.audited()), time.monotonic()]

    def quiet() -> bool:
        if writes(instance, int(last[0])):
            last[:] = [len(instance.audited()), time.monotonic()]
        return time.monotonic() - last[1] > 3

    eventually(quiet, seconds=120, what="the platform has nothing left to write", pause=0.5)
