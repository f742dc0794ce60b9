"""The text of a build's and a rollout's story, in Heroku's form: what a pusher reads while it happens.

    -----> a step begins              (seven columns)
           a detail of it             (seven blanks)
     !     a problem, and what to type next
    =====> the result

Everything here is text made of objects as they are now; when each line is told is `apps.follow`'s matter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from paas.api import names
from paas.api.build import TERMINAL, TriggerType
from paas.api.build import Phase as BuildPhase
from paas.api.resources import Manifest
from paas.kube import pods
from paas.kube.pods import PodProblem
from paas.terminal.output import duration, plain, shorten

LINE_LIMIT: Final = 2000
"""Longest line in characters; git's side-band carries 65,515 bytes a packet."""
_KANIKO = re.compile(
    r"^(?:(?P<level>[A-Z]{4})\[\d+\] |time=\"[^\"]*\" level=(?P<word>\w+) msg=)(?P<said>.*)$", re.DOTALL
)
"""How Kaniko writes a line, with and without a terminal: level, clock and message."""


def step(text: str) -> str:
    return f"-----> {_one_line(text)}"


def detail(text: str) -> str:
    return f"       {_one_line(text)}".rstrip()


def problem(text: str) -> str:
    return f" !     {_one_line(text)}"


def result(text: str) -> str:
    return f"=====> {_one_line(text)}"


def _one_line(text: str) -> str:
    return plain(text).replace("\n", " ").replace("\t", "    ")[:LINE_LIMIT]


def log_line(text: str, *, own: bool = False) -> str | None:
    """A line of a build's log as a pusher sees it, or None for what only Kaniko's authors want to know.

    Of Kaniko's lines the message stays, and the level when it matters. `own`: it is `fetch` that writes,
    in a story's form; a RUN step that did so would not be believed.
    """
    text = text.rstrip("\r").rpartition("\r")[2]
    if own and text.startswith(_OWN):
        return _one_line(text)
    match = _KANIKO.match(plain(text))
    if match is None:
        return detail(text)
    level = (match["level"] or match["word"]).lower()
    message = _unquoted(match["said"])
    if level != "info":
        return detail(f"{_LEVELS.get(level, level)}: {message}")
    return None if message.startswith(_CHATTER) else detail(message)


_LEVELS = {"warn": "warning", "erro": "error", "fata": "fatal", "debu": "debug"}
_OWN = ("-----> ", "       ", " !     ")
_CHATTER = (
    "Adding exposed port", "Applying label", "Args:", "Built cross stage deps", "Changed working directory",
    "Checking for cached layer", "Cmd:", "Creating directory", "Deleting filesystem", "ENV PAAS_BUILD_",
    "Executing 0 build triggers", "Initializing snapshotter", "LABEL org.opencontainers.image.",
    "No cached layer found", "No files changed", "Pushed ", "Pushing image", "Pushing layer",
    "Resolved base name",
    "Retrieving image", "Returning cached image", "Running: [", "Skipping unpacking", "Taking snapshot",
    "Using files from context",
)  # fmt: skip
"""How the info lines begin that are left out; `paas logs build/…` has them all."""


def _unquoted(text: str) -> str:
    """A message in Go's quotes without them; one word has none."""
    try:
        return str(json.loads(text, strict=False)) if text.startswith('"') else text
    except ValueError:
        return text.strip('"')  # an escape that JSON does not have


# -- build -----------------------------------------------------------------------------------------
def name_of(obj: Mapping[str, Any]) -> str:
    return str(obj["metadata"]["name"])


def phase_of(build: Mapping[str, Any]) -> str:
    return str((build.get("status") or {}).get("phase") or BuildPhase.NEW)


def is_over(build: Mapping[str, Any]) -> bool:
    return phase_of(build) in TERMINAL


def commit_of(build: Mapping[str, Any]) -> str:
    """The full commit, or '' when only `fetch` will know it."""
    revision = ((build.get("spec") or {}).get("revision") or {}).get("git") or {}
    return str((build.get("status") or {}).get("commit") or revision.get("commit") or "")


def commit_text(build: Mapping[str, Any]) -> str:
    """`main 3f2c9ab "Fix login" (alice)`, as far as it is known."""
    git = ((build.get("spec") or {}).get("revision") or {}).get("git") or {}
    ref = str(git.get("ref") or "").removeprefix("refs/heads/")
    parts = [ref, commit_of(build)[:7]]
    if message := git.get("message"):
        parts.append(f'"{shorten(message, 60)}"')
    if author := (git.get("author") or {}).get("name"):
        parts.append(f"({shorten(author, 40)})")
    return " ".join(part for part in parts if part)


def received(build: Mapping[str, Any]) -> str:
    """The first line of a push: what arrived."""
    return step(f"Received {commit_text(build) or 'the source'}")


def detected(build: Mapping[str, Any]) -> str | None:
    """How the source becomes an image, or None while that is not known."""
    spec, status = build["spec"], build.get("status") or {}
    if buildpack := status.get("buildpack") or spec.get("buildpack"):
        return step(f"{str(buildpack).capitalize()} app detected (buildpacks/{buildpack})")
    docker = (spec.get("strategy") or {}).get("dockerStrategy") or {}
    if (spec.get("source") or {}).get("dockerfile"):
        return step("Dockerfile of the BuildConfig")
    if spec.get("dockerfile"):
        return step(f"{docker.get('dockerfilePath') or 'Dockerfile'} found")
    return None


def waits_for(build: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the unfinished builds of the same BuildConfig with lower numbers, lowest first."""
    number = int(build["spec"]["number"])
    ahead = [
        other
        for other in others
        if other["spec"].get("buildConfigUid") == build["spec"].get("buildConfigUid")
        and int(other["spec"]["number"]) < number
        and not is_over(other)
    ]
    return [name_of(other) for other in sorted(ahead, key=lambda other: int(other["spec"]["number"]))]


def queued(build: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> str:
    """`Build shop-7 queued (behind shop-6)`, or that it is starting."""
    name = name_of(build)
    if phase_of(build) == BuildPhase.RUNNING:
        return step(f"Build {name} running")
    ahead = waits_for(build, others)
    if not ahead:
        return step(f"Build {name} queued")
    behind = ahead[0] if len(ahead) == 1 else f"{ahead[0]} and {len(ahead) - 1} more"
    return step(f"Build {name} queued (behind {behind})")


def finished(build: Mapping[str, Any], *, logged: bool) -> list[str]:
    """How a build ended. `logged`: its log was told, so the tail of it need not be repeated."""
    name, namespace, phase = name_of(build), build["metadata"].get("namespace", ""), phase_of(build)
    status = build.get("status") or {}
    if phase == BuildPhase.COMPLETE:
        image = str(status.get("outputDockerImageReference") or digest_of(build)).partition("/")
        took = f" ({duration(int(status['duration']))})" if status.get("duration") is not None else ""
        # without the registry's address, which means something inside the cluster only
        return [detail(f"Pushed {image[2] or image[0]}{took}")]
    if phase == BuildPhase.CANCELLED:
        return [
            problem(f"Build {name} was cancelled."),
            problem(f"Start it again: paas start-build {_config(build)} -n {namespace}"),
        ]
    lines = []
    if not logged:
        lines = [detail(line) for line in str(status.get("logSnippet") or "").splitlines()]
    reason, message = status.get("reason") or phase, str(status.get("message") or "").strip()
    lines.append(problem(f"Build {name} failed: {reason}" + (f": {message}" if message else "")))
    command = f"paas logs build/{name}"
    if command not in message:
        lines.append(problem(f"The whole log: {command} -n {namespace}"))
    return lines


def digest_of(build: Mapping[str, Any]) -> str:
    to = ((build.get("status") or {}).get("output") or {}).get("to") or {}
    return str(to.get("imageDigest") or "")


def _config(build: Mapping[str, Any]) -> str:
    return str(build["spec"].get("buildConfig") or "")


# -- pods ------------------------------------------------------------------------------------------
def pod_trouble(pod: Mapping[str, Any]) -> str | None:
    """Why a pod does not run, if there is a reason: `CrashLoopBackOff: exit code 1`."""
    problem = pods.why_not_running(pod)
    return problem_text(problem) if problem is not None else None


def problem_text(problem: PodProblem) -> str:
    """What keeps a pod: Kubernetes' word for it, and what that means."""
    if problem.out_of_memory:
        why = "out of memory (OOMKilled); raise resources.limits.memory"
    elif problem.exit is not None:
        why = f"exit code {problem.exit.code}"
    else:
        why = shorten(problem.message, 300)
    return f"{problem.reason}: {why}" if why else problem.reason


def of_revision(observed: Iterable[Manifest], revision: int) -> list[Manifest]:
    """The pods of one revision that are not on their way out."""
    return [
        pod
        for pod in observed
        if (pod["metadata"].get("labels") or {}).get(names.LABEL_REVISION) == str(revision)
        and not pod["metadata"].get("deletionTimestamp")
    ]


def is_source_change(build: Mapping[str, Any]) -> bool:
    return (build["spec"].get("trigger") or {}).get("type") in (TriggerType.PUSH, TriggerType.WEBHOOK)


def still_running(build: Mapping[str, Any]) -> list[str]:
    """For whoever stops waiting: it goes on, and how to look."""
    name, namespace = name_of(build), build["metadata"].get("namespace", "")
    return [
        step("Still running; it goes on without you."),
        detail(f"Follow it with: paas logs -f build/{name} -n {namespace}"),
        detail(f"See where it is: paas status -n {namespace}"),
    ]
