"""What to type next, as an application is now. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

from paas.api.build import TERMINAL
from paas.api.deployment_status import Phase as RolloutPhase
from paas.apps.summary import AppSummary, Backend, NextStep, RolloutSummary

LIMIT: Final = 3


def next_steps(summary: AppSummary, *, services: Sequence[str]) -> list[NextStep]:
    """Commands that this state of an application asks for, the most urgent first, each once."""
    project = summary.project
    steps = [*_for_source(summary), *_for_build(summary)]
    for rollout in summary.rollouts:
        steps = _for_rollout(rollout, project, steps)
    for route in summary.routes:
        if route.ready is False:
            steps.append(NextStep(command=f"paas get route/{route.name} -n {project} -o yaml"))
    each_once: dict[str, NextStep] = {}
    for step in steps:
        each_once.setdefault(step.command, step)
    steps = list(each_once.values())
    answers = any(route.url and route.backend in (Backend.READY, Backend.UNKNOWN) for route in summary.routes)
    if not steps and answers:
        steps.append(NextStep(command=f"paas open {summary.name} -n {project}"))
    if services and not summary.routes:
        steps.append(NextStep(command=f"paas expose {services[0]} -n {project}", note="an address outside"))
    return steps[:LIMIT]


def _for_source(summary: AppSummary) -> list[NextStep]:
    if summary.builds:
        return []
    return [
        NextStep(
            command=f"git push paas {shlex.quote(source.branch or 'HEAD')}",
            note=f"paas git-remote {source.build_config} sets the remote",
        )
        for source in summary.sources
        if not source.git
    ]


def _for_build(summary: AppSummary) -> list[NextStep]:
    if not summary.builds:
        return []
    newest = summary.builds[0]
    if newest.problem is not None and newest.phase in TERMINAL:
        return [NextStep(command=f"paas logs build/{newest.name} -n {summary.project}")]
    if newest.phase not in TERMINAL:
        return [NextStep(command=f"paas logs -f build/{newest.name} -n {summary.project}")]
    return []


def _for_rollout(rollout: RolloutSummary, project: str, before: list[NextStep]) -> list[NextStep]:
    name, steps = rollout.deployment_config, list(before)
    logs = NextStep(command=f"paas logs {name} -n {project}")
    if rollout.phase == RolloutPhase.FAILED:
        steps += [
            NextStep(command=f"paas rollout history {name} -n {project}"),
            NextStep(command=f"paas logs {name} --revision {rollout.revision} -n {project}"),
            NextStep(command=f"paas rollout latest {name} -n {project}", note="tries it again"),
        ]
    elif rollout.phase is not None and rollout.phase != RolloutPhase.COMPLETE:
        steps.append(NextStep(command=f"paas rollout status {name} -n {project}"))
    if rollout.pods:
        steps.insert(0, logs)
    if rollout.hold is not None:
        if rollout.phase == RolloutPhase.COMPLETE and not steps:
            steps.append(NextStep(command="git push paas HEAD", note="a fix is rolled out and ends the hold"))
        again = "rolls out what is withheld, also if it is what failed"
        note = again if rollout.hold.withheld else "ends the hold without a push"
        steps.append(NextStep(command=f"paas unpin {name} -n {project}", note=note))
    if rollout.revision is not None and rollout.replicas == 0:
        command = f"kubectl scale deploymentconfig/{name} --replicas=1 -n {project}"
        steps.append(NextStep(command=command, note="starts it again"))
    return steps
