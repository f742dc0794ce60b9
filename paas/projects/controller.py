"""Watches Namespaces and what projects are given, and gives again what was taken away."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property

from paas.api import names
from paas.api.project import is_labelled
from paas.api.resources import (
    LIMITRANGE,
    NAMESPACE,
    NETWORKPOLICY,
    ROLEBINDING,
    SECRET,
    SERVICEACCOUNT,
    Key,
    Manifest,
    Resource,
)
from paas.auth.credentials import key_of, project_credential
from paas.kube.view import View
from paas.projects.default_objects import NAMES
from paas.projects.plan import GrantPull, Observed, plan, said
from paas.reconcile.controller import Controller, Watch, itself
from paas.reconcile.plan import Effect, Plan
from paas.reconcile.refusal import Refusal
from paas.reconcile.status import Blocker
from paas.settings import Settings

_OURS = {names.LABEL_MANAGED_BY: names.MANAGED_BY}


def _its_namespace(child: Manifest, view: View) -> Iterable[Key]:
    yield Key("", child["metadata"]["namespace"])


class ProjectsController(Controller[Observed]):
    """Gives every project its default objects."""

    name = "paas-projects"
    watches = (
        Watch(NAMESPACE, itself),
        Watch(SERVICEACCOUNT, _its_namespace),
        Watch(ROLEBINDING, _its_namespace, labels=_OURS),
        Watch(LIMITRANGE, _its_namespace, labels=_OURS),
        Watch(NETWORKPOLICY, _its_namespace, labels=_OURS),
    )
    workers = 4

    def _pull_password(self, namespace: Manifest) -> str | None:
        """The project's password for the registry; None while there is no credential key to read."""
        try:
            return project_credential(self._credentials_key, namespace["metadata"]["uid"])
        except (OSError, ValueError):
            return None

    @cached_property
    def _credentials_key(self) -> bytes:
        return key_of(self.settings.credentials_key_file.read_text())

    async def gather(self, key: Key, refusals: tuple[Refusal, ...]) -> Observed | None:
        namespace = self.view.get(NAMESPACE, key)
        if not is_labelled(namespace) or namespace is None or namespace["metadata"].get("deletionTimestamp"):
            return None
        may_write = await self.cluster.may("patch", SECRET, key.name)
        children: dict[tuple[Resource, str], Manifest] = {}
        for resource, name in NAMES:
            child = Key(key.name, name)
            if resource == SECRET and not may_write:
                continue
            # The watches see only what is ours, and Secrets are never watched: what they do not show may
            # nevertheless exist under the name.
            live = self.view.get(resource, child) or await self.cluster.get(resource, child)
            if live is not None:
                children[resource, name] = live
        return Observed(
            namespace=namespace,
            pull_password=self._pull_password(namespace),
            children=children,
            default_account=self.view.get(SERVICEACCOUNT, Key(key.name, "default")),
            may_write_secrets=may_write,
            refusals=refusals,
        )

    def plan(self, observed: Observed, *, now: datetime, settings: Settings) -> Plan:
        return plan(observed, now=now, settings=settings)

    def failing(self, key: Key, blocker: Blocker, *, now: datetime) -> Plan:
        namespace = self.view.get(NAMESPACE, key)
        return Plan.of(said(namespace, blocker) if namespace is not None else ())

    async def effect(self, effect: Effect) -> None:
        match effect:
            case GrantPull(namespace, account):
                await self._grant_pull(Key(namespace, account))
            case _:
                await super().effect(effect)

    async def _grant_pull(self, key: Key) -> None:
        live = await self.cluster.get(SERVICEACCOUNT, key)
        if live is None:
            return
        secrets = live.get("imagePullSecrets") or []
        if any(ref.get("name") == names.PULL_SECRET for ref in secrets):
            return
        patch = {
            # The list is replaced as a whole: the version makes sure that nobody's entry gets lost.
            "metadata": {"resourceVersion": live["metadata"]["resourceVersion"]},
            "imagePullSecrets": [*secrets, {"name": names.PULL_SECRET}],
        }
        await self.cluster.patch(SERVICEACCOUNT, key, patch, manager=self.name)
