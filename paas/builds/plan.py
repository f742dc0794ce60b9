"""The decision about one BuildConfig and all its Builds. Pure.

Run policy and history reach across Builds, so the key of the queue is the BuildConfig: each of its Builds
is brought a step on, then its own status is written, then what follows from it: old Builds are deleted, a
lost one is run again, a new external source is built for the first time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from paas.api.base import first_problem
from paas.api.build import Phase, TriggerType
from paas.api.build_request import BuildRequest
from paas.api.buildconfig import ANNOTATION_PAUSED, KIND, BuildConfigSpec, SourceType
from paas.api.buildconfig_status import TRIGGERS_KEPT, BuildConfigStatus, LastBuild, TriggerRecord
from paas.api.names import Condition, Reason
from paas.api.resources import BUILD, JOB, SECRET, Key, Manifest, key_of
from paas.builds import prune, run_policy
from paas.builds.advance import RETRIABLE, WAIT_RECHECK, advance
from paas.builds.job import job_name
from paas.builds.numbers import counts, highest_number
from paas.builds.snapshot import Observed, ObservedBuild, phase_of, started
from paas.fetch.request import repository_path
from paas.reconcile.conditions import Wanted, parse_time
from paas.reconcile.plan import Action, Delete, Effect, Plan, Requeue
from paas.reconcile.refusal import Cause, Refusal, concerning
from paas.reconcile.status import GOES_ON, Blocker, ConditionTable, generation_of, hint_about, refused
from paas.settings import Settings

TABLE: Final = ConditionTable(KIND, announced={Condition.READY: {Reason.REFUSED}})


@dataclass(frozen=True)
class StartBuild(Effect):
    """Make the Build of a request by `instantiate`, which makes it once however often it is asked."""

    config: Key
    request: BuildRequest = field(hash=False)

    @property
    def subject(self) -> str:
        return f"the Build for {self.request.trigger_id}"


def plan(observed: Observed, *, now: datetime, settings: Settings) -> Plan:
    """All that is to be done for this BuildConfig now."""
    seen = sorted(observed.builds, key=lambda build: int(build.build["spec"]["number"]))
    actions = _builds(observed, seen, now, settings)
    counted = [build for build in seen if counts(build.build)]
    config = observed.config
    if config is None or config["metadata"].get("deletionTimestamp"):
        return Plan.of(actions)
    try:
        spec = BuildConfigSpec.model_validate(config["spec"])
    except ValidationError as problem:
        blocker = Blocker(Reason.INVALID_SPEC, f"{first_problem(problem)}; correct it with: kubectl edit bc")
        return Plan.of([*actions, *_config_status(observed, counted, _summary(blocker), None, now)])
    url = repository_url(observed.key, settings) if spec.source.kind is SourceType.HOSTED else None
    actions += _config_status(observed, counted, _conditions(observed, spec), url, now)
    again = _to_repeat(config, counted)
    actions += _pruning(observed, seen, spec, again)
    if again is not None:
        actions.append(_repeat(observed.key, again))
    actions += _first_build(observed, config, spec)
    if observed.source_secret_missing:
        actions.append(Requeue(WAIT_RECHECK))
    return Plan.of(actions)


def repository_url(key: Key, settings: Settings) -> str:
    """Where people push the source of a hosted BuildConfig."""
    return settings.external_url(settings.server_host) + repository_path(key.namespace, key.name)


def retry_id(build: Manifest) -> str:
    """Trigger id of the repetition of a lost Build."""
    return f"retry:{build['metadata']['uid']}"


def _builds(observed: Observed, seen: list[ObservedBuild], now: datetime, settings: Settings) -> list[Action]:
    entries = {
        each.build["metadata"]["uid"]: run_policy.Entry(
            number=int(each.build["spec"]["number"]),
            name=each.build["metadata"]["name"],
            phase=phase_of(each.build),
            started=started(each),
            cancelled=bool(each.build["spec"].get("cancelled")),
        )
        for each in seen
        if "invalid" not in each.build["spec"]
    }
    config = observed.config
    alive = config is not None and not config["metadata"].get("deletionTimestamp")
    first = run_policy.next_up(entries.values()) if alive else None
    actions: list[Action] = []
    for each in seen:
        entry = entries.get(each.build["metadata"]["uid"])
        before = run_policy.ahead_of(entry, entries.values()) if entry is not None else None
        actions += advance(
            each,
            inputs=observed.inputs,
            may_start=first is not None and entry == first,
            waits_for=before.name if before is not None else None,
            stream_exists=_stream_of(each.build) in observed.streams,
            repository_url=repository_url(observed.key, settings),
            refusal=_start_refused(observed, each),
            now=now,
            settings=settings,
        )
    return actions


def _start_refused(observed: Observed, each: ObservedBuild) -> Refusal | None:
    """Why the pod of a Build cannot be made."""
    child = Key(observed.key.namespace, job_name(each.build))
    of_child = (concerning(observed.refusals, kind, child) for kind in (SECRET, JOB))
    return next((refusal for found in of_child for refusal in found if not started(each)), None)


def _refused(observed: Observed) -> Blocker | None:
    """What was refused beside the start of a Build: a Build that is due, the deletion of an old one."""
    starts = [refusal for each in observed.builds if (refusal := _start_refused(observed, each))]
    for refusal in observed.refusals:
        if refusal not in starts:
            return refused(refusal, namespace=observed.key.namespace)
    return None


def _waiting(observed: Observed, spec: BuildConfigSpec) -> Blocker | None:
    """The push of which the cluster lets no Build be made."""
    status = (observed.config or {}).get("status") or {}
    if spec.source.kind is not SourceType.HOSTED:
        return _undelivered(observed, status.get("deliveries") or ())
    push = status.get("waitingPush")
    if push is None:
        return None
    text = (
        f"{push['ref']} at {push['commit'][:12]} was pushed, and the cluster refuses its Build: "
        f"{push['message']}; {_hint(observed, push['cause'])}{GOES_ON}"
    )
    return Blocker(Reason.REFUSED, text)


def _undelivered(observed: Observed, deliveries: Sequence[Manifest]) -> Blocker | None:
    """The push elsewhere of which the cluster let no Build be made when a webhook or a poll told of it; any
    Build that was made since makes up for it."""
    last = next((each for each in deliveries if each.get("build") or each.get("cause")), None)
    if last is None or not last.get("cause"):
        return None
    told = parse_time(last["time"])
    if any(parse_time(each.build["metadata"]["creationTimestamp"]) >= told for each in observed.builds):
        return None
    what = f"{last.get('ref')} at {last['commit'][:12]}" if last.get("commit") else "what a poll found"
    project, name = observed.key.namespace, observed.key.name
    text = (
        f"no Build of {what} was made, as {last['reason']}; {_hint(observed, last['cause'])}, and then: "
        f"paas start-build {name} -n {project}"
    )
    return Blocker(Reason.REFUSED, text)


def _hint(observed: Observed, said: str) -> str:
    try:
        cause = Cause(said)
    except ValueError:  # of a newer server
        cause = Cause.POLICY
    return hint_about(cause, namespace=observed.key.namespace)


def _stream_of(build: Manifest) -> str:
    return str(build["spec"]["output"]["to"]["name"].partition(":")[0])


def _conditions(observed: Observed, spec: BuildConfigSpec) -> list[Wanted]:
    resolved, blocker = _source_resolved(observed, spec), _refused(observed) or _waiting(observed, spec)
    to = spec.output.to
    if resolved.status == "False":
        blocker = Blocker(resolved.reason, resolved.message, stalled=False)
    elif blocker is None and to.stream not in observed.streams:
        text = f"there is no ImageStream {to.stream!r} for the output {to.name!r}; create it"
        blocker = Blocker(Reason.INVALID_OUTPUT_REFERENCE, text, stalled=False)
    return [resolved, *_summary(blocker)]


def _source_resolved(observed: Observed, spec: BuildConfigSpec) -> Wanted:
    type_ = Condition.SOURCE_RESOLVED
    if observed.source_secret_missing:
        name = spec.source.source_secret.name if spec.source.source_secret else ""
        text = f"there is no Secret {name!r}; create it with the keys username and password"
        return Wanted(type_, "False", Reason.FETCH_SOURCE_FAILED, text)
    if spec.source.kind is SourceType.HOSTED:
        return Wanted(type_, "True", Reason.HOSTED, "the source is the repository hosted here")
    return Wanted(type_, "True", Reason.EXTERNAL, f"the source is {spec.source.git.uri}")


def _summary(blocker: Blocker | None) -> list[Wanted]:
    return TABLE.summarised(blocker, Wanted(Condition.READY, "True", Reason.RECONCILED, "builds can start"))


def _config_status(
    observed: Observed,
    seen: list[ObservedBuild],
    wanted: list[Wanted],
    url: str | None,
    now: datetime,
) -> list[Action]:
    config = observed.config
    assert config is not None, "only a BuildConfig that exists has a status"
    stored = config.get("status") or {}
    own = [each.build for each in seen]
    last = own[-1] if own else None
    last_build = _last_build(last) if last is not None else stored.get("lastBuild")
    status = BuildConfigStatus(
        observed_generation=generation_of(config),
        last_version=highest_number(config, own),
        repository=url,
        last_build=LastBuild.model_validate(last_build) if last_build else None,
        triggers=_triggers(stored, own) or None,
    ).dump()
    return TABLE.write(config, {**status, "conditions": TABLE.conditions(config, wanted, now=now)})


def _last_build(build: Manifest) -> dict[str, str]:
    commit = (build.get("status") or {}).get("commit") or (
        (build["spec"].get("revision") or {}).get("git") or {}
    ).get("commit")
    found = {"name": build["metadata"]["name"], "phase": phase_of(build)}
    return found | ({"commit": commit} if commit else {})


def _triggers(stored: Manifest, builds: list[Manifest]) -> list[TriggerRecord]:
    """The newest trigger ids and their Builds: what is remembered, and what the Builds say."""
    records = {record["id"]: str(record["build"]) for record in stored.get("triggers") or ()}
    records |= {build["spec"]["trigger"]["id"]: build["metadata"]["name"] for build in builds}
    by_number = sorted(records.items(), key=lambda record: int(record[1].rpartition("-")[2]))
    return [TriggerRecord(id=id_, build=name) for id_, name in by_number[-TRIGGERS_KEPT:]]


def _pruning(
    observed: Observed, seen: list[ObservedBuild], spec: BuildConfigSpec, again: Manifest | None
) -> list[Action]:
    stored = (observed.config or {}).get("status") or {}
    surplus = prune.to_prune(
        [each.build for each in seen],
        successful=spec.successful_builds_history_limit,
        failed=spec.failed_builds_history_limit,
        streams=observed.streams,
        noted=[record["id"] for record in stored.get("triggers") or ()],
        kept=[again["metadata"]["name"]] if again is not None else (),
    )
    return [Delete(BUILD, key_of(build), build["metadata"]["uid"]) for build in surplus]


def _to_repeat(config: Manifest, seen: list[ObservedBuild]) -> Manifest | None:
    """The lost Build that is to be run again: the last one, if it is no repetition itself.

    A lost Build that a later one follows is not repeated: the repetition would come after it and bring
    the older commit back.
    """
    if not seen or (config["metadata"].get("annotations") or {}).get(ANNOTATION_PAUSED) == "true":
        return None
    last = seen[-1].build
    status = last.get("status") or {}
    lost = status.get("phase") == Phase.ERROR and status.get("reason") in RETRIABLE
    if not lost or last["spec"].get("retryOf") or prune.pruned_build(config, retry_id(last)) is not None:
        return None
    return last


def _repeat(key: Key, lost: Manifest) -> StartBuild:
    name = lost["metadata"]["name"]
    return StartBuild(
        key,
        BuildRequest(
            trigger_id=retry_id(lost),
            trigger_type=TriggerType.RETRY,
            trigger_message=f"retry of {name}, which was lost: {lost['status'].get('message') or ''}",
            retry_of=lost,
        ),
    )


def _first_build(observed: Observed, config: Manifest, spec: BuildConfigSpec) -> list[Action]:
    """A ConfigChange trigger builds a new external source once; a hosted one is built when it is pushed."""
    wants = any(trigger.type == "ConfigChange" for trigger in spec.triggers)
    status = config.get("status") or {}
    never_built = not observed.builds and not status.get("lastVersion") and not status.get("triggers")
    paused = (config["metadata"].get("annotations") or {}).get(ANNOTATION_PAUSED) == "true"
    if not (wants and never_built and spec.source.kind is SourceType.EXTERNAL) or paused:
        return []
    request = BuildRequest(
        trigger_id=f"configchange:{config['metadata']['uid']}",
        trigger_type=TriggerType.CONFIG_CHANGE,
        trigger_message="first build of the BuildConfig",
    )
    return [StartBuild(observed.key, request)]
