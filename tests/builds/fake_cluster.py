"""A small cluster in memory around one BuildConfig: what a plan writes, and what the API server, the Job
controller, the kubelet and the registry make of it. What must never be done fails at once."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from paas.api.build import TERMINAL, TriggerType
from paas.api.build_request import BuildRefused, BuildRequest
from paas.api.resources import BUILD, BUILDCONFIG, JOB, SECRET, Key, Manifest
from paas.builds import job as jobs
from paas.builds import outcome
from paas.builds.instantiate import frozen
from paas.builds.numbers import counts, highest_number
from paas.builds.plan import StartBuild, plan
from paas.builds.pod_refusal import pod_refusal
from paas.builds.prune import merged, pruned_build
from paas.builds.snapshot import (
    Confirmed,
    JobInputs,
    Observed,
    ObservedBuild,
    Unconfirmed,
    judge,
    needs_registry,
    phase_of,
    started,
)
from paas.reconcile import meta
from paas.reconcile.conditions import timestamp
from paas.reconcile.plan import Action, Create, Delete, Event, Plan, Requeue, Status
from paas.registry.repositories import Repositories
from paas.settings import Settings
from tests.support import documented
from tests.support.refusing import Refusing

START = datetime(2027, 1, 1, tzinfo=UTC)
NAMESPACE, NAME = "demo", "shop"
SETTINGS = Settings(domain="apps.localhost", https_port=8443)
REPOSITORIES = Repositories("demo", "uid_0123456789ab")
DIGEST = "sha256:" + "d" * 64
COMMIT = "c" * 40


def digest_of(text: str) -> str:
    return "sha256:" + meta.short_hash(text, length=64)


def config(**spec: Any) -> Manifest:
    """A BuildConfig of a hosted source, as the API server would store it."""
    return {
        "apiVersion": BUILDCONFIG.api_version,
        "kind": BUILDCONFIG.kind,
        "metadata": {"name": NAME, "namespace": NAMESPACE, "uid": "bc-1", "generation": 1},
        "spec": {
            "source": {"git": {}},
            "strategy": {"dockerStrategy": {}},
            "output": {"to": {"kind": "ImageStreamTag", "name": "shop:latest"}},
            "runPolicy": "Serial",
            "triggers": [],
            "successfulBuildsHistoryLimit": 5,
            "failedBuildsHistoryLimit": 5,
            **spec,
        },
    }


def push(number: int | str = 1, **more: Any) -> BuildRequest:
    """The request that a push to the hosted repository makes."""
    given: dict[str, Any] = {
        "trigger_id": f"push:{number}",
        "trigger_type": TriggerType.PUSH,
        "commit": meta.short_hash(str(number), length=40),
        "dockerfile": "FROM scratch\n",
        "content_key": "k" * 64,
    }
    return BuildRequest(**(given | more))


class FakeCluster:
    """BuildConfig `demo/shop` and all around it."""

    def __init__(self, **spec: Any) -> None:
        self.now = START
        self._uids = (f"uid-{number}" for number in itertools.count(1))
        self.config: Manifest | None = config(**spec)
        self.builds: dict[str, Manifest] = {}
        self.jobs: dict[str, Manifest] = {}
        self.pods: dict[str, Manifest] = {}
        self.secrets: dict[str, Manifest] = {}
        self.tags: dict[str, str] = {}
        """UID of a Build -> digest: what its repository has under that tag."""
        self.tails: dict[str, str] = {}
        self.streams: dict[str, Manifest] = {"shop": {"metadata": {"name": "shop", "namespace": NAMESPACE}}}
        self.registry_up = True
        self.key: bytes | None = b"k" * 32
        self.source_secret_missing = False
        self.collecting = False
        self.pods_refused: str | None = None
        """What the API server says to the Job controller when it makes a pod."""
        self.jobs_lag = False
        """Pods are seen to end, and the Job controller has not looked yet."""
        self.refusing = Refusing()
        self.wrote = False
        """Whether the last plan changed anything."""
        self.events: list[tuple[str, str]] = []
        self.jobs_made: list[str] = []
        self.past: list[Manifest] = []
        """Every Build that ever was, as last seen."""

    # -- people, the server and other controllers ------------------------------------------------------
    def build(self, request: BuildRequest) -> Manifest | None:
        """What `instantiate` does, without its races; None when it refuses."""
        assert self.config is not None
        for existing in self.builds.values():
            if existing["spec"]["trigger"]["id"] == request.trigger_id:
                return existing
        if pruned_build(self.config, request.trigger_id) is not None:
            return None
        if request.retry_of is not None and any(
            counts(b) and b["spec"]["number"] > request.retry_of["spec"]["number"]
            for b in self.builds.values()
        ):
            return None
        try:
            made = frozen(self.config, request, highest_number(self.config, self.builds.values()) + 1)
        except BuildRefused:
            return None
        name = made["metadata"]["name"]
        assert name not in {old["metadata"]["name"] for old in self.past}, "a number is never used twice"
        made["metadata"] |= {
            "uid": next(self._uids), "generation": 1, "creationTimestamp": timestamp(self.now),
        }  # fmt: skip
        self.builds[name] = made
        self.past.append(made)
        return made

    def cancel(self, name: str) -> None:
        self.builds[name]["spec"]["cancelled"] = True

    def merge(self) -> None:
        """What the images controller does with completed Builds."""
        for build in self.builds.values():
            if phase_of(build) != "Complete" or "shop" not in self.streams:
                continue
            stream = self.streams["shop"]
            tags = stream.setdefault("status", {}).setdefault(
                "tags", [{"tag": "other", "items": []}, {"tag": "latest", "items": []}]
            )
            number = build["spec"]["number"]
            if all(item["buildNumber"] != number for item in tags[1]["items"]):
                item = {"buildConfigUid": build["spec"]["buildConfigUid"], "buildNumber": number}
                tags[1]["items"].insert(0, item)

    # -- the Job controller and the kubelet --------------------------------------------------------------
    def pod_of(self, name: str) -> Manifest:
        """The pod of a Build, made if need be."""
        job = self.jobs[jobs.job_name(self.builds[name])]
        pod = self.pods.get(name)
        if pod is None:
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": f"{job['metadata']['name']}-abcde",
                    "namespace": NAMESPACE,
                    "uid": next(self._uids),
                    "labels": job["spec"]["template"]["metadata"]["labels"],
                    "ownerReferences": [{"uid": job["metadata"]["uid"], "controller": True}],
                },
                "status": {"phase": "Pending"},
            }
            self.pods[name] = pod
        return pod

    def run(self, name: str) -> None:
        """fetch has ended well, kaniko runs."""
        report = '{"commit": "' + COMMIT + '", "content_key": "key", "buildpack": "python"}'
        self.pod_of(name)["status"] = {
            "phase": "Running",
            "startTime": timestamp(self.now),
            "initContainerStatuses": [
                {"name": "fetch", "state": {"terminated": {"exitCode": 0, "message": report}}}
            ],
            "containerStatuses": [{"name": "kaniko", "state": {"running": {}}}],
        }

    def succeed(self, name: str, *, claim: str | None = None, pushed: bool = True) -> None:
        self.run(name)
        uid = self.builds[name]["metadata"]["uid"]
        if pushed:
            self.tags[uid] = digest_of(uid)
        self._end(name, 0, claim or digest_of(uid))
        if not self.jobs_lag:
            self._job_ends(name, "Complete")

    def fail(self, name: str, *, code: int = 1, message: str = "", reason: str = "Error") -> None:
        self.run(name)
        self._end(name, code, message, reason)
        if not self.jobs_lag:
            self._job_ends(name, "Failed")

    def delete_pod(self, name: str, *, pushed: bool = False) -> None:
        """Somebody deletes the pod, perhaps just after it pushed; the Job fails for it."""
        if pushed:
            uid = self.builds[name]["metadata"]["uid"]
            self.tags[uid] = digest_of(uid)
        self.pods.pop(name, None)
        self._job_ends(name, "Failed")

    def delete_job(self, name: str) -> None:
        self.jobs.pop(jobs.job_name(self.builds[name]), None)
        self.pods.pop(name, None)

    def _end(self, name: str, code: int, message: str, reason: str = "") -> None:
        ended = {
            "exitCode": code, "message": message, "reason": reason or "Completed",
            "finishedAt": timestamp(self.now),
        }  # fmt: skip
        status = self.pod_of(name)["status"]
        status["containerStatuses"] = [{"name": "kaniko", "state": {"terminated": ended}}]
        status["phase"] = "Succeeded" if code == 0 else "Failed"

    def _job_ends(self, name: str, type_: str) -> None:
        job = self.jobs.get(jobs.job_name(self.builds[name]))
        if job is not None and outcome.job_state(job) is None:
            reason = {} if type_ == "Complete" else {"reason": "BackoffLimitExceeded"}
            job["status"] = {"conditions": [{"type": type_, "status": "True", **reason}]}

    # -- the operator ------------------------------------------------------------------------------------
    def observed(self) -> Observed:
        """As the controller gathers it."""
        inputs = JobInputs(
            key=self.key,
            ca="PEM",
            repositories=REPOSITORIES,
            user_namespaces=True,
            runtimes=("registry/paas/runtime-python:latest",),
        )
        return Observed(
            key=Key(NAMESPACE, NAME),
            config=self.config,
            builds=tuple(self._seen(build, inputs) for build in self.builds.values()),
            streams=self.streams,
            inputs=inputs,
            source_secret_missing=self.source_secret_missing,
            refusals=self.refusing.known,
        )

    def _seen(self, build: Manifest, inputs: JobInputs) -> ObservedBuild:
        name, uid = build["metadata"]["name"], build["metadata"]["uid"]
        job = self.jobs.get(jobs.job_name(build))
        if job is not None and not meta.owned_by(job, uid):
            return ObservedBuild(build=build, taken=f"Job {job['metadata']['name']}")
        seen = ObservedBuild(build=build, job=job, pod=self.pods.get(name), tail=self.tails.get(name))
        if phase_of(build) in TERMINAL:
            return seen
        if not started(seen):
            wanted = ((build["spec"].get("source") or {}).get("sourceSecret") or {}).get("name")
            return replace(
                seen,
                has_secret=jobs.job_name(build) in self.secrets,
                collecting=self.collecting,
                secret_missing=wanted if self.source_secret_missing else None,
            )
        if job is not None and outcome.job_state(job) is None and seen.pod is None:
            return replace(seen, pod_refusal=pod_refusal(job, self._job_events(job)))
        if needs_registry(judge(seen, inputs, self.now)):
            image = Confirmed(self.tags.get(uid)) if self.registry_up else Unconfirmed("connection refused")
            return ObservedBuild(build=build, job=job, pod=seen.pod, tail=seen.tail, image=image)
        return seen

    def _job_events(self, job: Manifest) -> list[Manifest]:
        if self.pods_refused is None:
            return []
        about = {"kind": JOB.kind, "uid": job["metadata"]["uid"]}
        message = f'Error creating: pods "shop-1-build-{self.now:%S}" is forbidden: {self.pods_refused}'
        return [{"reason": "FailedCreate", "involvedObject": about, "message": message}]

    def step(self, *, actions: int | None = None) -> Plan:
        """One gather, plan and run; with `actions`, killed after that many."""
        made = plan(self.observed(), now=self.now, settings=SETTINGS)
        self.wrote = self.refusing.run(made, self.carry_out, actions=actions)
        return made

    def settle(self, *, limit: int = 30) -> FakeCluster:
        """Until a plan writes nothing any more."""
        for _ in range(limit):
            self.step()
            if not self.wrote:
                return self
        raise AssertionError("the plan never comes to rest")

    def carry_out(self, action: Action) -> None:
        match action:
            case Create(manifest=manifest):
                self._create(manifest)
            case Status(resource=resource, key=key, uid=uid, status=status):
                documented.check(resource.kind, status)
                self._status(resource, key, uid, status)
            case Delete(resource=resource, key=key, uid=uid):
                self._delete(resource, key, uid)
            case Event(reason=reason, message=message):
                self.events.append((reason, message))
            case StartBuild(request=request):
                self.build(request)
            case Requeue():
                pass
            case _:
                raise AssertionError(f"unexpected {action!r}")

    def _create(self, manifest: Manifest) -> None:
        kept = {JOB.kind: self.jobs, SECRET.kind: self.secrets}[manifest["kind"]]
        name = manifest["metadata"]["name"]
        if name in kept:
            assert kept[name]["metadata"]["ownerReferences"] == manifest["metadata"]["ownerReferences"], (
                "foreign"
            )
            return
        stored = copy.deepcopy(manifest)
        stored["metadata"]["uid"] = next(self._uids)
        kept[name] = stored
        if manifest["kind"] == JOB.kind:
            assert name not in self.jobs_made, "no Build ever gets a second Job"
            assert name in self.secrets, "its pod could never start without the Secret"
            self.jobs_made.append(name)

    def _status(self, resource: Any, key: Key, uid: str, status: Manifest) -> None:
        target = self.config if resource == BUILDCONFIG else self.builds[key.name]
        assert target is not None
        assert target["metadata"]["uid"] == uid
        if resource == BUILD:
            assert phase_of(target) not in TERMINAL, "an ended Build never changes"
            assert not (phase_of(target) == "Running" and status["phase"] in ("New", "Pending"))
        mine = {"observedGeneration", "lastVersion", "repository", "lastBuild", "triggers", "conditions"}
        others = {k: v for k, v in (target.get("status") or {}).items() if k not in mine}
        target["status"] = copy.deepcopy(status if resource == BUILD else {**others, **status})

    def _delete(self, resource: Any, key: Key, uid: str) -> None:
        if resource == JOB:
            job = self.jobs[key.name]
            assert job["metadata"]["uid"] == uid
            del self.jobs[key.name]
            for name, pod in list(self.pods.items()):
                if meta.owned_by(pod, uid):
                    del self.pods[name]
            return
        assert resource == BUILD
        build = self.builds.pop(key.name)
        assert phase_of(build) != "Complete" or merged(build, self.streams), "its image is lost"
        assert build["metadata"]["uid"] == uid
        self.jobs.pop(jobs.job_name(build), None)
        self.secrets.pop(jobs.job_name(build), None)
        self.pods.pop(key.name, None)

    # -- looking -----------------------------------------------------------------------------------------
    def phase(self, name: str) -> str:
        return phase_of(self.builds[name])

    def status(self, name: str) -> dict[str, Any]:
        return self.builds[name].get("status") or {}

    def sleep(self, seconds: float) -> FakeCluster:
        self.now += timedelta(seconds=seconds)
        return self
