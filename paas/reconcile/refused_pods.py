"""Pods that Kubernetes' own controllers may not make: their words about it, as a refusal. Pure.

A Job's controller says it by an Event, a ReplicaSet's by a condition that the Deployment shows. Both quote
the API server's answer, which names a pod that differs each time.
"""

from __future__ import annotations

import re
from typing import Final

from paas.api.resources import POD, Manifest
from paas.kube.errors import ApiError
from paas.reconcile.plan import Create
from paas.reconcile.refusal import Refusal, cause_of, shortened

FAILED_CREATE: Final = "FailedCreate"
"""Reason of the Event and of the condition."""
_CREATING: Final = "Error creating: "
_SAID: Final = re.compile(r'^(?:pods|Pod) "[^"]*" is (?P<how>forbidden|invalid): (?P<words>.*)$', re.DOTALL)


def refused_pods(message: str, owner: Manifest) -> Refusal:
    """The refusal of the pods of a Job or Deployment, in the API server's words."""
    said = message.removeprefix(_CREATING)
    found = _SAID.match(said)
    words = found["words"] if found else said
    status = 422 if found and found["how"] == "invalid" else 403
    metadata = {key: owner["metadata"][key] for key in ("name", "namespace")}
    pod = {"apiVersion": POD.api_version, "kind": POD.kind, "metadata": metadata}
    cause = cause_of(ApiError(status, FAILED_CREATE, words))
    return Refusal(Create(pod, owner_uid=owner["metadata"]["uid"]), cause, shortened(words), status)
