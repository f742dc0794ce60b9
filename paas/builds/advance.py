"""The next step of one Build. Pure.

    New ──job made──▶ Pending ──▶ Running ──▶ Complete (digest confirmed by the registry)
                                          └─▶ Failed | Error | Cancelled

A step ends with at most one Status. What follows from an end (the Job of a cancelled build is deleted, a
lost build is run again) comes with the next plan, made from the status as stored.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import ValidationError

from paas.api.base import first_problem
from paas.api.build import TERMINAL, BuildOutputStatus, BuildOutputTo, BuildSpec, Phase
from paas.api.names import Reason
from paas.api.resources import JOB, key_of
from paas.builds import job as jobs
from paas.builds import outcome
from paas.builds.numbers import LARGEST
from paas.builds.snapshot import Confirmed, JobInputs, ObservedBuild, judge, phase_of, started
from paas.builds.status import blocked, changed, ended, given_up, start_command, waiting
from paas.builds.verdict import Failed, Lost, Succeeded, UnderWay
from paas.reconcile import meta
from paas.reconcile.plan import Action, Delete, Requeue
from paas.reconcile.refusal import Cause, Refusal
from paas.reconcile.status import explained
from paas.registry.collection import RETRY_AFTER
from paas.settings import Settings

REGISTRY_RECHECK: Final = 5.0
"""Seconds between questions to a registry that does not answer."""
WAIT_RECHECK: Final = 15.0
"""Seconds after which to look again while something that is not watched is in the way (a foreign object, a
missing Secret)."""
RETRIABLE: Final = frozenset(
    {Reason.BUILD_POD_DELETED, Reason.BUILD_POD_EVICTED, Reason.PLATFORM_UNREACHABLE}
)
"""Reasons of phase Error after which a Build is run again, once."""


def advance(
    seen: ObservedBuild,
    *,
    inputs: JobInputs,
    may_start: bool,
    waits_for: str | None,
    stream_exists: bool,
    repository_url: str,
    refusal: Refusal | None = None,
    now: datetime,
    settings: Settings,
) -> list[Action]:
    """The actions that bring one Build a step on; none when it waits.

    `may_start`: the run policy lets it; else `waits_for` is the Build before it. `stream_exists`: its
    output's ImageStream is there. `repository_url` is told to the image as where its source is from.
    `refusal`: the cluster did not let its Job or Secret be made.
    """
    build = seen.build
    if phase_of(build) in TERMINAL:
        return _tidied(seen)
    try:
        spec = BuildSpec.model_validate(build["spec"])
    except ValidationError as problem:
        return ended(seen, Phase.ERROR, Reason.INVALID_SPEC, f"{first_problem(problem)}; start another", now)
    if spec.number > LARGEST:
        text = f"no build of the platform has the number {spec.number}"
        return ended(seen, Phase.ERROR, Reason.INVALID_SPEC, text, now, again="start another")
    if spec.cancelled:
        return ended(seen, Phase.CANCELLED, Reason.CANCELLED_BUILD, "cancelled on request", now)
    if started(seen):
        return _judged(seen, spec, inputs, now, settings)
    if spec.invalid is not None:
        reason = Reason(spec.invalid.reason) if spec.invalid.reason in set(Reason) else Reason.NO_BUILDPACK
        return ended(seen, Phase.FAILED, reason, spec.invalid.message, now)
    if not may_start:
        return waiting(
            seen, Reason.BUILD_QUEUED, f"waits until {waits_for or 'the build before it'} has ended", now
        )
    if not stream_exists:
        to = spec.output.to
        return blocked(
            seen,
            Phase.NEW,
            Reason.INVALID_OUTPUT_REFERENCE,
            f"there is no ImageStream {to.stream!r} for the output {to.name!r}",
            f"create it (apiVersion: paas.dev/v1, kind: ImageStream, metadata.name: {to.stream})",
            now,
        )
    if seen.taken is not None:
        why = f"{seen.taken} exists and is not of this build"
        return [
            *blocked(seen, Phase.NEW, Reason.NAME_TAKEN, why, "rename or delete it", now),
            Requeue(WAIT_RECHECK),
        ]
    if seen.secret_missing is not None:
        return [
            *blocked(
                seen,
                Phase.NEW,
                Reason.FETCH_SOURCE_FAILED,
                f"there is no Secret {seen.secret_missing!r}, which the source is fetched with",
                f"create it: kubectl create secret generic {seen.secret_missing} "
                f"-n {build['metadata']['namespace']} --from-literal=username=… --from-literal=password=…",
                now,
            ),
            Requeue(WAIT_RECHECK),
        ]
    if inputs.key is None:
        return [
            *waiting(
                seen,
                Reason.CANNOT_CREATE_BUILD_POD,
                "the platform's key for credentials cannot be read; fix it with: paas up, or paas install",
                now,
            ),
            Requeue(WAIT_RECHECK),
        ]
    if seen.collecting:
        # Its push would be refused (see registry.collection): it starts as soon as that has ended.
        text = "waits until the registry is rid of unused images, usually for seconds"
        return [*waiting(seen, Reason.BUILD_QUEUED, text, now), Requeue(RETRY_AFTER)]
    return _start(seen, spec, inputs, inputs.key, repository_url, refusal, now, settings)


def _start(
    seen: ObservedBuild,
    spec: BuildSpec,
    inputs: JobInputs,
    key: bytes,
    repository_url: str,
    refusal: Refusal | None,
    now: datetime,
    settings: Settings,
) -> list[Action]:
    build = seen.build
    secret = jobs.secret(build, spec, settings=settings, key=key, ca=inputs.ca, repository_url=repository_url)
    job = jobs.job(
        build,
        spec,
        settings=settings,
        repositories=inputs.repositories,
        user_namespaces=inputs.user_namespaces,
    )
    made: list[Action] = [meta.create(job, owner=build)]
    if not seen.has_secret:
        made.insert(0, meta.create(secret, owner=build))
    if refusal is not None:
        made = made[:1]  # a Job that is made without its Secret has a pod that never starts
        why, hint = explained(refusal, namespace=build["metadata"]["namespace"])
        reason = Reason.CANNOT_CREATE_BUILD_POD
        if refusal.cause is Cause.INVALID:  # a Build never changes, so it will never be accepted
            return given_up(seen, reason, why, "correct the BuildConfig", now)
        return [*made, *blocked(seen, Phase.NEW, reason, why, hint, now)]
    return [
        *made,
        *changed(
            seen,
            now,
            phase=Phase.PENDING,
            reason=Reason.BUILD_PENDING,
            message="the pod of the build is being made",
            job=job["metadata"]["name"],
            user_namespace=inputs.user_namespaces,
        ),
    ]


def _judged(
    seen: ObservedBuild, spec: BuildSpec, inputs: JobInputs, now: datetime, settings: Settings
) -> list[Action]:
    ruling = judge(seen, inputs, now)
    if isinstance(ruling, UnderWay):
        return _goes_on(seen, ruling, now)
    if isinstance(ruling, Failed):
        return ended(
            seen,
            Phase.FAILED,
            ruling.reason,
            ruling.message,
            now,
            ruling.finished,
            more_in_log=ruling.more_in_log,
            again=ruling.again,
            log_snippet=ruling.snippet,
        )
    if not isinstance(seen.image, Confirmed):
        problem = seen.image.problem if seen.image is not None else "not asked yet"
        return [
            *changed(
                seen,
                now,
                reason=Reason.REGISTRY_UNREACHABLE,
                message="the build has ended; whether the registry has its image cannot be found out "
                f"({problem[:500]}), it is asked again every few seconds",
            ),
            Requeue(REGISTRY_RECHECK),
        ]
    digest = seen.image.digest
    claimed = ruling.digest if isinstance(ruling, Succeeded) else None
    if digest is not None and claimed in (None, digest):
        image = f"{settings.registry_pull}/{inputs.repositories.images(spec.output.to.stream)}@{digest}"
        return ended(
            seen,
            Phase.COMPLETE,
            Reason.BUILD_COMPLETE,
            f"pushed {image}",
            now,
            ruling.finished,
            output=BuildOutputStatus(to=BuildOutputTo(image_digest=digest)),
            output_docker_image_reference=image,
        )
    if isinstance(ruling, Lost):
        message = f"{ruling.message}; {_what_follows(seen, spec, ruling)}"
        return ended(seen, Phase.ERROR, ruling.reason, message, now, ruling.finished)
    return ended(
        seen,
        Phase.FAILED,
        Reason.IMAGE_UNVERIFIED,
        f"the build says that it pushed {claimed or 'an image'}, but the registry has "
        f"{digest or 'none'} under its tag",
        now,
        ruling.finished,
        again="start another build",
    )


def _what_follows(seen: ObservedBuild, spec: BuildSpec, lost: Lost) -> str:
    if spec.retry_of is not None:  # a repetition is not repeated
        return f"it was run again already, start another: {start_command(seen.build)}"
    when = ", when the registry answers" if lost.reason is Reason.PLATFORM_UNREACHABLE else ""
    return f"it is run again once{when}"


def _goes_on(seen: ObservedBuild, ruling: UnderWay, now: datetime) -> list[Action]:
    running = phase_of(seen.build) == Phase.RUNNING  # never back to Pending
    phase = Phase.RUNNING if running else ruling.phase
    if ruling.blocked is not None:
        actions = blocked(seen, phase, ruling.reason, ruling.message, ruling.blocked, now)
    else:
        actions = changed(
            seen,
            now,
            phase=phase,
            reason=ruling.reason,
            message=ruling.message,
            start_timestamp=ruling.started,
        )
    if ruling.recheck is not None:
        actions.append(Requeue(ruling.recheck))
    return actions


def _tidied(seen: ObservedBuild) -> list[Action]:
    """A Build that was cancelled or lost needs no running Job any more. That of any other end stays, with
    its pod: it may be seen to end later than its pod did."""
    job = seen.job
    if job is None or phase_of(seen.build) not in (Phase.CANCELLED, Phase.ERROR):
        return []
    pod_ended = ((seen.pod or {}).get("status") or {}).get("phase") in ("Succeeded", "Failed")
    if pod_ended or outcome.job_state(job) is not None or job["metadata"].get("deletionTimestamp"):
        return []
    return [Delete(JOB, key_of(job), job["metadata"]["uid"])]
