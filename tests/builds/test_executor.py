"""How Kaniko's executor ends: what it says, as its source has it, and what is made of that.

Each row is the executor's own last error (version 1.24.0: cmd/executor/cmd/root.go, pkg/executor,
pkg/commands, pkg/util, pkg/dockerfile, pkg/image/remote, and the errors of go-containerregistry and buildkit
that they wrap) and the exit code that goes with it.
"""

from __future__ import annotations

import pytest

from paas.builds.executor import Kind, ending
from paas.builds.verdict import Failed, Lost
from tests.builds.ended_pods import DIGEST, ended, info, judged, pod

CONTEXT = "/kaniko/buildcontext/source"
REGISTRY = "registry.paas.internal:5000"
IMAGE = f"{REGISTRY}/demo/shop:0f0f0f"
BUILD = "error building image: "
STAGE = BUILD + "error building stage: "
COMMAND = STAGE + "failed to execute command: "
STEP = COMMAND + "waiting for process to exit: "
PUSH = f"error pushing image: failed to push to destination {IMAGE}: "
CHECK = (
    "error checking push permissions -- make sure you entered the correct tag name, and that you are "
    f'authenticated correctly, and try again: checking push permission for "{IMAGE}": '
)
ASKED = BUILD + "unable to complete operation after 0 attempts, last error: "
OPTIMIZE = STAGE + "failed to optimize instructions: failed to get files used from context: "

BUILD_FAILED, PARSE, BASE = "DockerBuildFailed", "DockerfileParseError", "BaseImageNotFound"
PUSHED, MEMORY, GENERIC = "PushImageToRegistryFailed", "OutOfMemoryKilled", "GenericBuildFailed"
AWAY = "PlatformUnreachable"

ENDINGS: list[tuple[str, int, Kind, str]] = [
    # a step that was carried out
    (STEP + "exit status 1", 1, Kind.STEP, BUILD_FAILED),
    (STEP + "exit status 3", 3, Kind.STEP, BUILD_FAILED),
    (STEP + "exit status 2", 2, Kind.STEP, BUILD_FAILED),
    (STEP + "exit status 127", 127, Kind.STEP, BUILD_FAILED),
    (STEP + "exit status 255", 255, Kind.STEP, BUILD_FAILED),
    (STEP + "exit status 143", 143, Kind.STEP, BUILD_FAILED),
    (STEP + "exit status 137", 137, Kind.STEP, MEMORY),
    (STEP + "signal: killed", 255, Kind.STEP_KILLED, MEMORY),
    (STEP + "signal: segmentation fault (core dumped)", 255, Kind.STEP_KILLED, BUILD_FAILED),
    (STEP + "signal: terminated", 255, Kind.STEP_KILLED, BUILD_FAILED),
    # a step that could not begin
    (COMMAND + 'starting command: exec: "make": executable file not found in $PATH', 1,
     Kind.STEP_NOT_STARTED, BUILD_FAILED),
    (COMMAND + "starting command: fork/exec /bin/sh: no such file or directory", 1,
     Kind.STEP_NOT_STARTED, BUILD_FAILED),
    (COMMAND + "starting command: fork/exec /bin/sh: exec format error", 1,
     Kind.STEP_NOT_STARTED, BUILD_FAILED),
    (COMMAND + "credentials: get uid/gid: user shop is not a uid and does not exist on the system", 1,
     Kind.STEP_NOT_STARTED, BUILD_FAILED),
    (COMMAND + "adding default HOME variable: lookup user 1000: user: unknown userid 1000", 1,
     Kind.STEP_NOT_STARTED, BUILD_FAILED),
    # files
    (OPTIMIZE + f"failed to get fileinfo for {CONTEXT}/a: lstat {CONTEXT}/a: no such file or directory", 1,
     Kind.COPY, BUILD_FAILED),
    (OPTIMIZE + f"failed to get fileinfo for {CONTEXT}/error pushing image: x: "
     f"lstat {CONTEXT}/error pushing image: x: no such file or directory", 1, Kind.COPY, BUILD_FAILED),
    (STAGE + f"could not add path: lstat {CONTEXT}/gone: no such file or directory", 1,
     Kind.COPY, BUILD_FAILED),
    (OPTIMIZE + "when specifying multiple sources in a COPY command, destination must be a directory and end "
     "in '/'", 1, Kind.STAGE, BUILD_FAILED),
    (COMMAND + "resolving src: failed to get fileinfo for /kaniko/0/made: "
     "lstat /kaniko/0/made: no such file or directory", 1, Kind.STAGE, BUILD_FAILED),
    (COMMAND + "getting permissions from chmod: parsing value from chmod: strconv.ParseUint: parsing "
     '"u+x": invalid syntax', 1, Kind.STAGE, BUILD_FAILED),
    (COMMAND + "getting user group from chown: getting uid: user shop is not a uid and does not exist on the "
     "system", 1, Kind.STAGE, BUILD_FAILED),
    (COMMAND + "downloading remote source file: invalid response status 404", 1, Kind.STAGE, BUILD_FAILED),
    (COMMAND + 'downloading remote source file: Get "https://example.com/x": dial tcp: lookup example.com: '
     "no such host", 1, Kind.STAGE, BUILD_FAILED),
    (COMMAND + "copying file: open /app/x: permission denied", 1, Kind.STAGE, BUILD_FAILED),
    (COMMAND + "creating workdir /app: mkdir /app: not a directory", 1, Kind.STAGE, BUILD_FAILED),
    (COMMAND + "could not create directory for volume /x: mkdir /x: read-only file system", 1,
     Kind.STAGE, BUILD_FAILED),
    (COMMAND + "invalid protocol: http", 1, Kind.STAGE, BUILD_FAILED),
    # the cache and the disk
    (COMMAND + f"extracting fs from image: error reading tar 0: GET https://{REGISTRY}/v2/demo/shop/cache/blobs/"
     f"{DIGEST}: BLOB_UNKNOWN: blob unknown to registry", 1, Kind.CACHE, BUILD_FAILED),
    (COMMAND + f'retrieving image layers: Get "https://{REGISTRY}/v2/": dial tcp 10.0.0.1:5000: connect: '
     "connection refused", 1, Kind.CACHE, AWAY),
    (STAGE + "failed to take snapshot: write /kaniko/1.tar: no space left on device", 1,
     Kind.SPACE, BUILD_FAILED),
    (STAGE + "failed to get filesystem from image: creating file: write /lib/x: no space left on device", 1,
     Kind.SPACE, BUILD_FAILED),
    (BUILD + "could not save file: copying file: write /kaniko/0/x: disk quota exceeded", 1,
     Kind.SPACE, BUILD_FAILED),
    (STAGE + "failed to take snapshot: Unable to add file /x to layered map: Error creating hash for /x: "
     "open /x: permission denied", 1, Kind.STAGE, BUILD_FAILED),
    (BUILD + "deleting file system after stage 0: unlinkat /etc/hosts: device or resource busy", 1,
     Kind.BUILD, BUILD_FAILED),
    (STAGE + "failed to get filesystem from image: error removing /var/run to make way for new symlink: "
     "unlinkat /var/run: device or resource busy", 1, Kind.STAGE, BUILD_FAILED),
    # the Dockerfile
    (BUILD + "parsing dockerfile: dockerfile parse error on line 2: unknown instruction: FORM "
     "(did you mean FROM?)", 1, Kind.DOCKERFILE, PARSE),
    (BUILD + "parsing dockerfile: no build stage in current context", 1, Kind.DOCKERFILE, PARSE),
    (BUILD + "parsing dockerfile: file with no instructions", 1, Kind.DOCKERFILE, PARSE),
    (BUILD + "parsing dockerfile: quotes wrapping arg values must be matched", 1, Kind.DOCKERFILE, PARSE),
    (BUILD + "Error finding target stage: x is not a valid target build stage", 1, Kind.DOCKERFILE, PARSE),
    (BUILD + "resolving args: resolving base name ${X: failed to process \"${X\": syntax error: "
     "missing '}'", 1, Kind.DOCKERFILE, PARSE),
    (BUILD + "HEALTHCHECKS is not a supported command", 1, Kind.DOCKERFILE, PARSE),
    # base images
    (ASKED + f"GET https://{REGISTRY}/v2/paas/none/manifests/latest: MANIFEST_UNKNOWN: manifest unknown; "
     "unknown tag=latest", 1, Kind.BASE_IMAGE, BASE),
    (ASKED + f"GET https://{REGISTRY}/v2/other/app/manifests/latest: UNAUTHORIZED: authentication required; "
     "[map[Action:pull Class: Name:other/app Type:repository]]", 1, Kind.BASE_IMAGE, BASE),
    (ASKED + 'Get "https://index.docker.io/v2/": dial tcp: lookup index.docker.io: no such host', 1,
     Kind.BASE_IMAGE, BASE),
    (ASKED + "GET https://ghcr.io/token?scope=repository%3Aa%2Fb%3Apull&service=ghcr.io: "
     "unexpected status code 502 Bad Gateway: <html>", 1, Kind.BASE_IMAGE, BASE),
    (ASKED + "no child with platform linux/amd64 in index index.docker.io/library/x:1", 1,
     Kind.BASE_IMAGE, BASE),
    (BUILD + "could not parse reference: Python:3.13:x", 1, Kind.BASE_IMAGE, BASE),
    (STAGE + 'failed to get filesystem from image: error reading tar 2: Get "https://hub.example.com/x": '
     "net/http: TLS handshake timeout", 1, Kind.BASE_IMAGE, BASE),
    # pushing
    (PUSH + f"POST https://{REGISTRY}/v2/demo/shop/blobs/uploads/: DENIED: requested access is denied", 1,
     Kind.PUSH, PUSHED),
    (PUSH + f'Head "https://{REGISTRY}/v2/demo/shop/blobs/{DIGEST}": dial tcp 10.0.0.1:5000: '
     "connect: connection refused", 1, Kind.PUSH, AWAY),
    (PUSH + f"PUT https://{REGISTRY}/v2/demo/shop/manifests/0f0f0f: unexpected status code 503 Service "
     "Unavailable", 1, Kind.PUSH, AWAY),
    (ASKED + f'Get "https://{REGISTRY}/v2/": dial tcp 10.0.0.1:5000: connect: connection refused', 1,
     Kind.BASE_IMAGE, AWAY),
    (ASKED + "GET https://paas.paas.internal/registry/token?scope=x: unexpected status code 502 Bad "
     "Gateway", 1, Kind.BASE_IMAGE, AWAY),
    ("error pushing image: writing digest to file failed: open /dev/termination-log: no space left on device",
     1, Kind.PUSH, PUSHED),
    (CHECK + f"POST https://{REGISTRY}/v2/demo/shop/blobs/uploads/: UNAUTHORIZED: authentication required", 1,
     Kind.PUSH, PUSHED),
    (CHECK + f'creating push check transport for {REGISTRY} failed: Get "https://{REGISTRY}/v2/": '
     "dial tcp: lookup registry.paas.internal: i/o timeout", 1, Kind.PUSH, AWAY),
    # the executor itself
    ("Error: error resolving source context: stat /kaniko/buildcontext/x: no such file or directory", 1,
     Kind.START, GENERIC),
    ("kaniko should only be run inside of a container, run with the --force flag if you are sure you want to "
     "continue", 1, Kind.START, GENERIC),
    ('time="2027-01-01T00:00:00Z" level=fatal msg="Unable to setup transport for registry \\"linux/amd64\\": '
     'failed to load certificate /kaniko/.docker/ca.crt"', 1, Kind.START, GENERIC),
    ("error changing to root dir: chdir /: permission denied", 1, Kind.START, GENERIC),
]  # fmt: skip
IDS = [f"{number}-{kind.name}-{code}" for number, (_, code, kind, _) in enumerate(ENDINGS)]
OTHERS = list({(kind, code): (text, code) for text, code, kind, _ in ENDINGS}.values())
"""One of each kind and exit code."""
BEFORE = [
    info(f"Retrieving image manifest {REGISTRY}/paas/runtime-python:latest"),
    info("RUN make all"),
    "compiling",
]


def test_there_are_at_least_forty() -> None:
    assert len({text for text, *_ in ENDINGS}) >= 40
    assert {kind for _, _, kind, _ in ENDINGS} == set(Kind) - {Kind.CRASH}


@pytest.mark.parametrize(("text", "code", "kind", "reason"), ENDINGS, ids=IDS)
def test_an_ending_and_its_reason(text: str, code: int, kind: Kind, reason: str) -> None:
    said = "\n".join([*BEFORE, text])
    assert (found := ending(said, code, context=CONTEXT)) is not None
    assert found.kind is kind
    # a layer of the cache left its digest, or the end of the log is in the termination message instead
    for message, tail in ((DIGEST, said), ("", said), (said, None)):
        verdict = judged(pod(kaniko=ended(code, message)), tail=tail)
        assert isinstance(verdict, Lost if reason == AWAY else Failed)
        assert verdict.reason == reason
        assert isinstance(verdict, Lost) or verdict.snippet
    if kind in (Kind.STEP, Kind.STEP_KILLED, Kind.STEP_NOT_STARTED):
        assert "'RUN make all'" in verdict.message


@pytest.mark.parametrize(("text", "code", "kind", "reason"), ENDINGS, ids=IDS)
def test_a_step_that_imitates_any_other_ending_changes_nothing(
    text: str, code: int, kind: Kind, reason: str
) -> None:
    on_stdout = not text.startswith(("Error: ", "time=", "kaniko should"))
    for imitation, other_code in OTHERS:
        for said in (
            f"{imitation}\n{text}",
            f"{imitation}\n{info('Pushing image to x')}\n{text}",
            *([f"{imitation}{text}", f"printed {imitation}\nprinted {text}"] if on_stdout else []),
            # stderr of the step that arrives late; of an imitation with the same code nothing can be told
            *([f"{text}\n{imitation}"] if other_code != code else []),
        ):
            found = ending("\n".join([*BEFORE, said]), code, context=CONTEXT)
            assert found is not None, said
            assert found.kind is kind, said


@pytest.mark.parametrize("code", [137, 143, 2, 255])
def test_an_executor_that_is_killed_did_not_say_what_a_step_printed(code: int) -> None:
    for imitation, other_code, *_ in ENDINGS:
        if other_code != code:
            tail = "\n".join([*BEFORE, imitation])
            assert isinstance(judged(pod(kaniko=ended(code, DIGEST)), tail=tail), Lost), imitation


def test_without_a_log_the_exit_code_alone_tells_of_a_step() -> None:
    found = judged(pod(kaniko=ended(3, DIGEST)), tail=None)
    assert (type(found), found.reason) == (Failed, "DockerBuildFailed")
    assert "exit code 3" in found.message
    unknown = judged(pod(kaniko=ended(1, DIGEST)), tail=None)
    assert (type(unknown), unknown.reason) == (Failed, "GenericBuildFailed")
    assert "log cannot be read" in unknown.message


def test_a_state_that_the_runtime_does_not_know_is_lost_whatever_the_log_says() -> None:
    lost = pod(kaniko=ended(137, reason="ContainerStatusUnknown"))
    assert isinstance(judged(lost, tail=STEP + "exit status 137"), Lost)


def test_a_crash_of_the_executor_is_not_taken_for_a_signal() -> None:
    stack = [
        "panic: runtime error: invalid memory address or nil pointer dereference",
        "",
        "goroutine 1 [running]:",
        "github.com/GoogleContainerTools/kaniko/pkg/executor.(*stageBuilder).build(0xc000)",
    ]
    assert judged(pod(kaniko=ended(2)), tail="\n".join([*BEFORE, *stack])).reason == GENERIC
    of_a_step = [*stack[:3], "example.com/shop.main()"]
    assert isinstance(judged(pod(kaniko=ended(2)), tail="\n".join([*BEFORE, *of_a_step])), Lost)


def test_only_what_the_executor_logged_names_the_step() -> None:
    own = info("RUN make all")
    for printed in ("RUN tests", "COPY passed", "12 tests passedRUN x"):
        found = judged(pod(kaniko=ended(1)), tail=f"{own}\n{printed}\n{STEP}exit status 1")
        assert "'RUN make all' failed (exit code 1)" in found.message
    glued = f"no line end{own}\n{STEP}exit status 1"
    assert "'RUN make all' failed" in judged(pod(kaniko=ended(1)), tail=glued).message


def test_a_step_that_prints_an_endless_exit_status_changes_nothing() -> None:
    """It raised, and so the Build never ended."""
    assert ending(STEP + f"exit status {'9' * 5000}", 1, context=CONTEXT) is None
    text = "\n".join([STEP + f"exit status {'9' * 5000}", STEP + "exit status 7"])
    found = ending(text, 7, context=CONTEXT)
    assert found is not None
    assert (found.kind, found.code) == (Kind.STEP, 7)
