"""From a pod to a reason and a message that says what to do: one row a way to end.

The log lines are what Kaniko 1.24 writes.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from paas.api.resources import Manifest
from paas.builds.outcome import failed_container, report_of
from paas.builds.verdict import Failed, Lost, Succeeded, UnderWay
from tests.builds.ended_pods import DIGEST, JOB, NOW, RUNTIMES, ended, info, judged, pod

KANIKO: list[tuple[str, str, list[str], list[str]]] = [
    (
        "a failing RUN",
        "DockerBuildFailed",
        [
            info("RUN pip install -r requirements.txt"),
            "ERROR: No matching distribution found for nonsense",
            "error building image: error building stage: failed to execute command: "
            "waiting for process to exit: exit status 1",
        ],
        ["RUN pip install -r requirements.txt", "exit code 1"],
    ),
    (
        "a COPY without source",
        "DockerBuildFailed",
        [
            info("Building stage 'registry.paas.internal:5000/paas/runtime-python:latest' [idx: '0']"),
            "error building image: error building stage: failed to optimize instructions: failed to get "
            "files used from context: failed to get fileinfo for /kaniko/buildcontext/source/a b: "
            "lstat /kaniko/buildcontext/source/a b: no such file or directory",
        ],
        ["copies 'a b', which is not in the source", "push again"],
    ),
    (
        "a user that does not exist",
        "DockerBuildFailed",
        [
            info("USER nobodyknows"),
            info("RUN true"),
            "error building image: error building stage: failed to execute command: credentials: get "
            "uid/gid: user nobodyknows is not a uid and does not exist on the system",
        ],
        ["'RUN true' failed", "nobodyknows is not a uid"],
    ),
    (
        "anything else",
        "DockerBuildFailed",
        ["error building image: error building stage: failed to take snapshot: no space left on device"],
        ["more disk than there is", "no space left", "ephemeral-storage"],
    ),
    (
        "an unknown instruction",
        "DockerfileParseError",
        [
            "error building image: parsing dockerfile: dockerfile parse error on line 2: "
            "unknown instruction: FORM (did you mean FROM?)",
        ],
        ["line 2", "FORM", "push again"],
    ),
    (
        "a base image the hub does not have",
        "BaseImageNotFound",
        [
            info("Retrieving image manifest registry.paas.internal:5000/paas/nonsense"),
            "error building image: unable to complete operation after 0 attempts, last error: "
            "GET https://registry.paas.internal:5000/v2/paas/nonsense/manifests/latest: MANIFEST_UNKNOWN: "
            "manifest unknown; unknown tag=latest",
        ],
        ["registry.paas.internal:5000/paas/nonsense", "MANIFEST_UNKNOWN", RUNTIMES[0]],
    ),
    (
        "a hub that cannot be reached",
        "BaseImageNotFound",
        [
            info("Retrieving image manifest python:3.13"),
            "error building image: unable to complete operation after 0 attempts, last error: "
            'Get "https://index.docker.io/v2/": dial tcp: '
            "lookup index.docker.io: no such host",
        ],
        ["python:3.13", "no such host", RUNTIMES[0]],
    ),
    (
        "a base image that is another project's",
        "BaseImageNotFound",
        [
            info("Retrieving image manifest registry.paas.internal:5000/other/app"),
            "error building image: unable to complete operation after 0 attempts, last error: "
            "GET https://registry.paas.internal:5000/v2/other/app/manifests/latest: "
            "UNAUTHORIZED: authentication required; [map[Action:pull Class: Name:other/app]]",
        ],
        ["other/app", "UNAUTHORIZED"],
    ),
    (
        "a push that is refused",
        "PushImageToRegistryFailed",
        [
            "error checking push permissions -- make sure you entered the correct tag name, and that you are "
            'authenticated correctly, and try again: checking push permission for "r/demo/shop:x": '
            "POST https://r/v2/demo/shop/blobs/uploads/: UNAUTHORIZED",
        ],
        ["UNAUTHORIZED", "the platform's registry"],
    ),
    (
        "a step that the kernel killed for its memory",
        "OutOfMemoryKilled",
        [
            info("RUN make"),
            "error building image: error building stage: failed to execute command: "
            "waiting for process to exit: exit status 137",
        ],
        ["resources.limits.memory"],
    ),
    ("silence", "GenericBuildFailed", ["something"], ["does not say why"]),
]


@pytest.mark.parametrize(("what", "reason", "lines", "says"), KANIKO, ids=[row[0] for row in KANIKO])
def test_kanikos_last_words(what: str, reason: str, lines: list[str], says: list[str]) -> None:
    for tail, message in (("\n".join(lines), ""), (None, "\n".join(lines))):
        code = 137 if reason == "OutOfMemoryKilled" else 1  # a step's own code is passed on
        found = judged(pod(kaniko=ended(code, message)), tail=tail)
        assert isinstance(found, Failed)
        assert found.reason == reason
        for text in says:
            assert text in found.message
        assert found.snippet
        # the others say what to do
        assert found.more_in_log or found.again or "push again" in found.message
        assert "start-build" not in found.message, "only who knows the BuildConfig can name the command"


def test_what_a_step_prints_is_not_taken_for_kanikos_word() -> None:
    word = (
        "error building image: error building stage: failed to execute command: "
        "waiting for process to exit: exit status 3"
    )
    lines = [info("RUN x"), "error pushing image: said by the step", info("RUN y"), word]
    assert judged(pod(kaniko=ended(3)), tail="\n".join(lines)).reason == "DockerBuildFailed"


@pytest.mark.parametrize("code", [137, 143, 2, 255])
def test_killed_from_outside_is_lost(code: int) -> None:
    assert isinstance(judged(pod(kaniko=ended(code)), tail=info("RUN x")), Lost)


def test_memory() -> None:
    assert judged(pod(kaniko=ended(137, reason="OOMKilled"))).reason == "OutOfMemoryKilled"
    assert judged(pod(fetch=ended(137, reason="OOMKilled"))).reason == "OutOfMemoryKilled"


def test_success_and_its_claim() -> None:
    found = judged(pod(kaniko=ended(0, DIGEST + "\n", "Completed"), phase="Succeeded"))
    assert found == Succeeded(DIGEST, None)
    assert judged(pod(kaniko=ended(0, "no digest", "Completed"), phase="Succeeded")) == Succeeded(None, None)


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        ({"reason": "Evicted", "message": "The node was low on resource: memory."}, Lost, "BuildPodEvicted"),
        (
            {
                "reason": "Evicted",
                "message": 'Usage of EmptyDir volume "workspace" exceeds the limit "20Gi".',
            },
            Failed,
            "BuildPodEvicted",
        ),
        ({"reason": "DeadlineExceeded"}, Failed, "DeadlineExceeded"),
        ({"reason": "NodeShutdown"}, Lost, "BuildPodDeleted"),
        ({"conditions": [{"type": "DisruptionTarget", "status": "True"}]}, Lost, "BuildPodDeleted"),
        ({"reason": "OutOfcpu", "message": "no room"}, Lost, "BuildPodDeleted"),
        ({"message": "x"}, Lost, "BuildPodDeleted"),
    ],
)
def test_pods_that_nodes_give_up(status: Manifest, kind: type, reason: str) -> None:
    found = judged(pod(fetch={"waiting": {}}, **status))
    assert isinstance(found, kind)
    assert found.reason == reason


def test_a_deleted_pod_is_lost_once_its_node_is_silent_for_long() -> None:
    running = pod(kaniko={"running": {}}, phase="Running")
    running["metadata"]["deletionTimestamp"] = (NOW - timedelta(seconds=20)).isoformat()
    found = judged(running)
    assert isinstance(found, UnderWay)
    assert found.recheck == 40
    running["metadata"]["deletionTimestamp"] = (NOW - timedelta(seconds=61)).isoformat()
    assert isinstance(judged(running), Lost)


@pytest.mark.parametrize(
    ("message", "kind", "reason"),
    [
        ('{"reason": "NoBuildpack", "message": "add a Dockerfile"}', Failed, "NoBuildpack"),
        ('{"reason": "Unheard", "message": "add a Dockerfile"}', Failed, "FetchSourceFailed"),
        ("Traceback", Failed, "FetchSourceFailed"),
        ("", Failed, "FetchSourceFailed"),
    ],
)
def test_a_fetch_that_failed(message: str, kind: type, reason: str) -> None:
    found = judged(pod(fetch=ended(1, message)))
    assert isinstance(found, kind)
    assert found.reason == reason


def test_a_fetch_that_was_killed_is_lost() -> None:
    assert isinstance(judged(pod(fetch=ended(143))), Lost)
    assert isinstance(judged(pod(fetch=ended(1, reason="ContainerStatusUnknown"))), Lost)


@pytest.mark.parametrize("container", ["fetch", "kaniko"])
@pytest.mark.parametrize(
    ("code", "reason", "message"),
    [
        (128, "StartError", "failed to create containerd task: failed to create shim task: context canceled"),
        (128, "ContainerCannotRun", "OCI runtime create failed"),
        (255, "Unknown", ""),
        (137, "ContainerStatusUnknown", "The container could not be located when the pod was terminated"),
    ],
)
def test_what_the_node_did_not_run_to_its_end_is_lost(
    container: str, code: int, reason: str, message: str
) -> None:
    """The exit code is the runtime's: a cluster that stops while the container is being started
    fails no build."""
    found = judged(pod(**{container: ended(code, message, reason)}), tail=message)
    assert isinstance(found, Lost)
    assert (message or reason) in found.message


@pytest.mark.parametrize(
    ("job", "kind"),
    [
        (None, Lost),
        ({**JOB, "status": {"conditions": [{"type": "Complete", "status": "True"}]}}, Succeeded),
        ({**JOB, "status": {"conditions": [{"type": "Failed", "status": "True"}]}}, Lost),
        (
            {
                **JOB,
                "status": {
                    "conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]
                },
            },
            Failed,
        ),
        ({**JOB, "status": {"conditions": [{"type": "Suspended", "status": "True"}]}}, UnderWay),
        (JOB, UnderWay),
    ],
)
def test_without_a_pod_the_job_decides(job: Manifest | None, kind: type) -> None:
    assert isinstance(judged(None, job=job), kind)


@pytest.mark.parametrize(
    ("state", "reason", "says"),
    [
        ({"waiting": {"reason": "ImagePullBackOff", "message": "denied"}},
         "PullBuilderImageFailed", "denied"),
        ({"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "login" not found'}},
         "CannotCreateBuildPod", '"login"'),
        ({"waiting": {"reason": "PodInitializing"}}, "BuildPending", "starting"),
        ({"running": {}}, "BuildRunning", "runs"),
    ],
)  # fmt: skip
def test_what_a_pod_waits_for(state: Manifest, reason: str, says: str) -> None:
    found = judged(pod(fetch=state, phase="Pending"))
    assert isinstance(found, UnderWay)
    assert found.reason == reason
    assert says in found.message
    assert found.phase == ("Running" if reason == "BuildRunning" else "Pending")


def test_an_unschedulable_pod_says_why() -> None:
    why = {
        "type": "PodScheduled",
        "status": "False",
        "message": "0/1 nodes are available: 1 Insufficient memory",
    }
    found = judged(pod(fetch={"waiting": {}}, phase="Pending", conditions=[why]))
    assert "Insufficient memory" in found.message


def test_reports_and_failed_containers() -> None:
    report = report_of(pod(fetch=ended(0, '{"commit": "abc", "content_key": "k"}')))
    assert report is not None
    assert (report.commit, report.content_key) == ("abc", "k")
    assert report_of(pod(fetch=ended(0, "[]"))) is None
    assert report_of(None) is None


@pytest.mark.parametrize(
    "message", ["[" * 4000, '{"commit": 1}', '{"reason": ["x"]}', '{"message": {"a": 1}, "reason": "x"}']
)
def test_a_report_that_somebody_else_wrote_is_none(message: str) -> None:
    seen = pod(fetch=ended(1, message))
    assert report_of(seen) is None
    found = judged(seen)
    assert (type(found), found.reason) == (Failed, "FetchSourceFailed")
    assert failed_container(pod(fetch=ended(1))) == "fetch"
    assert failed_container(pod(kaniko=ended(1))) == "kaniko"
    assert failed_container(pod()) is None
