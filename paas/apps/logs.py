"""What `paas logs` reads: a build's containers, or all pods of an application as they come and go."""

from __future__ import annotations

from collections.abc import AsyncIterator

from paas.api import names
from paas.api.resources import POD, Key, Manifest
from paas.apps.builds import name_of
from paas.apps.container_logs import whole_log
from paas.kube import pods
from paas.kube.cluster import Cluster
from paas.kube.observe import ENDED, Merge, observe


def pods_selector(config: Manifest, revision: int | None = None) -> str:
    """Label selector of a DeploymentConfig's pods, or of those of one revision."""
    selector = f"{names.LABEL_DEPLOYMENTCONFIG}={config['metadata']['name']}"
    return f"{selector},{names.LABEL_REVISION}={revision}" if revision is not None else selector


def containers_with_log(pod: Manifest, wanted: str | None, *, previous: bool = False) -> dict[str, str]:
    """Containers of a pod that have a log by now (`previous`: of a run before a restart), with the id of
    what runs or ran last; only `wanted` if given."""
    return {
        each.name: each.run
        for each in pods.containers(pod)
        if (each.before is not None if previous else each.started) and wanted in (None, each.name)
    }


async def lines_of(
    cluster: Cluster, pod: Manifest, container: str, *, tail: int | None, timestamps: bool, previous: bool
) -> AsyncIterator[str]:
    """The lines that there are now."""
    key = Key(pod["metadata"]["namespace"], name_of(pod))
    async for line in cluster.logs(
        key, container=container, tail=tail, timestamps=timestamps, previous=previous
    ):
        yield line


async def follow_pods(
    cluster: Cluster,
    namespace: str,
    *,
    name: str | None,
    labels: str | None,
    container: str | None,
    tail: int | None = None,
) -> AsyncIterator[tuple[str, str]]:
    """(pod/container, line) of all matching pods, also of those that come later; without end. `tail` is
    how many lines of each pod's past come first."""
    known: set[tuple[str, str, str]] = set()
    async with Merge() as merge:
        merge.add("pods", observe(cluster, POD, namespace, name=name, labels=labels))
        async for tag, item in merge:
            if tag == "pods":
                for pod in item.values():
                    for each, run in containers_with_log(pod, container).items():
                        # a container that was started again has another id, and a log of its own
                        stream = (name_of(pod), each, run)
                        if stream not in known:
                            known.add(stream)
                            key = Key(namespace, name_of(pod))
                            source = whole_log(cluster, key, container=each, tail=tail, run=run)
                            merge.add(stream, source)
            elif item is not ENDED:
                pod_name, container_name, _ = tag
                yield f"{pod_name}/{container_name}", item
