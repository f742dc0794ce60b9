"""What a project and the platform looked like when a test on the whole cluster failed."""

from __future__ import annotations

import subprocess

from tests.support.platform import Person

KINDS = "builds,imagestreams,deploymentconfigs,routes,ingresses,jobs,pods"
STATES = (
    "custom-columns=KIND:.kind,NAME:.metadata.name,PHASE:.status.phase,REASON:.status.reason,"
    "MESSAGE:.status.message,CONDITIONS:.status.conditions[*].message"
)


def of(person: Person) -> str:
    """The objects of the person's project with their messages, its last events, and the platform's log."""
    project, kubectl = person.project, person.instance.kubectl
    asked = (
        (("get", KINDS, "-n", project, "-o", STATES), 60),
        (("get", "pods", "-n", project, "-o", "wide"), 60),
        (("get", "events", "-n", project, "--sort-by=.lastTimestamp"), 25),
        (("get", "pods", "-n", "paas-system", "-o", "wide"), 20),
        (("logs", "-n", "paas-system", "deployment/operator", "--tail=25"), 25),
        (("logs", "-n", "paas-system", "deployment/server", "--tail=15"), 15),
        (("logs", "-n", "paas-system", "deployment/front", "--tail=15"), 15),
    )
    answers = []
    for argv, lines in asked:
        try:
            ran = kubectl(*argv, seconds=20)
            said = (ran.out + ran.err).splitlines()[-lines:]
        except (subprocess.TimeoutExpired, AssertionError, OSError) as failed:
            said = [f"{type(failed).__name__}: {failed}"]
        answers.append("\n".join(["$ kubectl " + " ".join(argv), *said]))
    return "\n\n".join(answers)
