"""A stand-in for the cluster, kept in files so that it outlives a killed server: who may do what, which
BuildConfigs there are, and the Builds that were made. Git, HTTP and the repositories are real."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from paas.api.build_request import BuildRefused, BuildRequest, BuildSuperseded, Instantiated
from paas.api.buildconfig_status import Delivery, SourceHead
from paas.api.resources import Key, Manifest
from paas.builds.instantiate import newest_source
from paas.fetch.head import HeadReport
from paas.kube.cluster import UserInfo
from paas.kube.errors import ApiError, ClusterUnreachable, Forbidden
from paas.webhooks.record import recorded

CREDENTIAL_KEY = b"0123456789abcdef0123456789abcdef"


class FakeCluster:
    """All of it below one directory; every process that opens the directory sees the same."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("configs", "builds", "tokens", "secrets"):
            (root / name).mkdir(parents=True, exist_ok=True)

    # -- for tests -------------------------------------------------------------------------------------

    def add_config(self, name: str, project: str = "demo", **git: Any) -> Manifest:
        config: Manifest = {
            "apiVersion": "paas.dev/v1",
            "kind": "BuildConfig",
            "metadata": {"namespace": project, "name": name, "uid": str(uuid.uuid4())},
            "spec": {
                "source": {"git": git},
                "output": {"to": {"kind": "ImageStreamTag", "name": f"{name}:latest"}},
                "triggers": [],
            },
        }
        self.put_config(config)
        return config

    def put_config(self, config: Manifest) -> None:
        key = Key(config["metadata"]["namespace"], config["metadata"]["name"])
        self._write(self.root / "configs" / _file(key), config)

    def remove_config(self, name: str, project: str = "demo") -> None:
        (self.root / "configs" / _file(Key(project, name))).unlink()

    def add_token(self, token: str, username: str, *projects: str) -> None:
        """A token whose user may do everything in `projects`."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        self._write(self.root / "tokens" / digest, {"username": username, "projects": projects})

    def revoke(self, token: str) -> None:
        (self.root / "tokens" / hashlib.sha256(token.encode()).hexdigest()).unlink()

    def add_secret(self, name: str, data: dict[str, str], project: str = "demo") -> None:
        self._write(self.root / "secrets" / _file(Key(project, name)), {"data": data})

    def builds(self, name: str, project: str = "demo") -> list[Manifest]:
        found = [json.loads(path.read_text()) for path in (self.root / "builds").glob(f"{project}+{name}-*")]
        own = [build for build in found if build["spec"]["buildConfig"] == name]
        return sorted(own, key=lambda build: int(build["spec"]["number"]))

    def commits(self, name: str, project: str = "demo") -> list[str]:
        """Commits of the Builds in order of their numbers."""
        return [build["spec"]["revision"]["git"]["commit"] for build in self.builds(name, project)]

    def set_phase(self, build: Manifest, phase: str) -> None:
        build["status"] = {"phase": phase}
        key = Key(build["metadata"]["namespace"], build["metadata"]["name"])
        self._write(self.root / "builds" / _file(key), build)

    def switch(self, name: str, on: bool = True, text: str = "") -> None:
        """Turn a behaviour on or off: `unreachable`, `refuse`, `endless-progress`,
        `endless-words`."""
        path = self.root / name
        path.write_text(text) if on else path.unlink(missing_ok=True)

    def is_on(self, name: str) -> bool:
        return (self.root / name).exists()

    # -- what the server asks for ----------------------------------------------------------------------

    async def authenticate(self, token: str) -> UserInfo | None:
        self._reach()
        found = self._read(self.root / "tokens" / hashlib.sha256(token.encode()).hexdigest())
        return UserInfo(found["username"], groups=tuple(found["projects"])) if found else None

    async def authorize(self, user: UserInfo, verb: str, subresource: str, key: Key) -> bool:
        self._reach()
        return key.namespace in user.groups

    async def find_config(self, key: Key) -> Manifest | None:
        self._reach()
        return self._read(self.root / "configs" / _file(key))

    async def find_build(self, key: Key) -> Manifest | None:
        return self._read(self.root / "builds" / _file(key))

    async def find_secret(self, key: Key) -> Manifest | None:
        return self._read(self.root / "secrets" / _file(key))

    async def collecting(self) -> bool:
        return False

    async def find_namespace(self, name: str) -> Manifest | None:
        if name not in ("demo", "kube-system"):
            return None
        labels = {"paas.dev/project": "true"} if name == "demo" else {}
        return {"metadata": {"name": name, "uid": f"uid-of-{name}", "labels": labels}}

    async def build_numbers(self, key: Key) -> set[int]:
        return {int(build["spec"]["number"]) for build in self.builds(key.name, key.namespace)}

    async def find_builds(self, key: Key) -> list[Manifest]:
        self._reach()
        return self.builds(key.name, key.namespace)

    async def ask_head(self, _config: Manifest, ref: str | None) -> HeadReport:
        """Where the branch is, as the test said by `switch("head", text=commit)`."""
        if not self.is_on("head"):
            return HeadReport(problem="the git host cannot be asked")
        return HeadReport(ref or "main", (self.root / "head").read_text())

    async def record(self, key: Key, delivery: Delivery | None, head: SourceHead | None) -> None:
        config = self._read(self.root / "configs" / _file(key))
        if config is None:
            return
        status = recorded(config.get("status") or {}, delivery, head)
        if status is not None:
            self.put_config({**config, "status": {**(config.get("status") or {}), **status}})

    async def list_configs(self) -> list[Manifest]:
        return [json.loads(path.read_text()) for path in (self.root / "configs").iterdir()]

    async def trigger_ids(self, key: Key) -> set[str]:
        return {build["spec"]["trigger"]["id"] for build in self.builds(key.name, key.namespace)}

    async def instantiate(self, key: Key, wanted: BuildRequest) -> Instantiated:
        self._reach()
        if self.is_on("unreachable-for-builds"):
            raise ClusterUnreachable("no answer")
        if self.is_on("forbid-builds"):
            raise Forbidden(403, "Forbidden", "exceeded quota: count/builds.paas.dev=1")
        if self.is_on("busy-for-builds"):
            raise ApiError(503, "ServiceUnavailable", "etcd is away")
        if self.is_on("refuse"):
            raise BuildRefused("buildconfig is paused", hint="let builds run again with: kubectl annotate")
        config = self._read(self.root / "configs" / _file(key))
        assert config is not None
        existing = self.builds(key.name, key.namespace)
        for build in existing:
            if build["spec"]["trigger"]["id"] == wanted.trigger_id:
                return Instantiated(build, created=False)
        if wanted.newest_source is not None and newest_source(existing) > wanted.newest_source:
            raise BuildSuperseded("a later Build was made of newer source meanwhile")
        number = max((int(build["spec"]["number"]) for build in existing), default=0) + 1
        build = {
            "metadata": {
                "namespace": key.namespace,
                "name": f"{key.name}-{number}",
                "uid": str(uuid.uuid4()),
            },
            "spec": {
                "number": number,
                "buildConfig": key.name,
                "buildConfigUid": config["metadata"]["uid"],
                "source": {"git": dict(config["spec"]["source"]["git"])},
                "trigger": {"id": wanted.trigger_id, "type": str(wanted.trigger_type), "user": wanted.user},
                "revision": {
                    "git": {"commit": wanted.commit, "ref": wanted.ref, "message": wanted.commit_message}
                },
                "dockerfile": wanted.dockerfile,
                "invalid": {"reason": wanted.invalid.reason} if wanted.invalid else None,
            },
            "status": {"phase": "New"},
        }
        self._write(self.root / "builds" / _file(Key(key.namespace, f"{key.name}-{number}")), build, new=True)
        return Instantiated(build, created=True)

    async def follow(self, build: Manifest) -> AsyncIterator[str]:
        name = build["metadata"]["name"]
        yield f"-----> Build {name} queued"
        number = 0
        while self.is_on("endless-words"):
            number += 1
            yield f"       line {number} {'x' * 1000}"
            if number % 100 == 0:
                await asyncio.sleep(0)
                self._write(self.root / f"said-{name}", number)
        while self.is_on("endless-progress"):
            (self.root / f"following-{name}").touch()
            await asyncio.sleep(0.02)
        yield f"=====> https://{name}.example"

    async def ready(self) -> bool:
        return not self.is_on("unreachable")

    def _reach(self) -> None:
        if self.is_on("unreachable"):
            raise ClusterUnreachable("no answer")

    @staticmethod
    def _read(path: Path) -> Any:
        try:
            return json.loads(path.read_text())
        except FileNotFoundError:
            return None

    @staticmethod
    def _write(path: Path, content: Any, *, new: bool = False) -> None:
        aside = path.parent.parent / f".{uuid.uuid4().hex}"
        aside.write_text(json.dumps(content))
        if new:
            os.link(aside, path)
            aside.unlink()
        else:
            os.rename(aside, path)


def _file(key: Key) -> str:
    return f"{key.namespace}+{key.name}"
