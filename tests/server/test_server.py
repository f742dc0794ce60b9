"""The server around the fronts: health, metrics, one writer, and failures that tell nothing of the inside."""

from __future__ import annotations

import http.client
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from paas.reconcile.tasks import Tasks
from paas.web.health import Health
from tests.support.git_server import Clone, Serving, started, wait_for

pytestmark = pytest.mark.integration


def get(server: Serving, path: str, *, port: int = 0) -> tuple[int, str]:
    """Asked where the kubelet and Prometheus ask, or at the port of everybody."""
    connection = http.client.HTTPConnection("127.0.0.1", port or server.health_port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_health_and_readiness(own_server: Serving) -> None:
    assert get(own_server, "/healthz") == (200, "ok\n")
    assert get(own_server, "/readyz") == (200, "ok\n")
    own_server.cluster.switch("unreachable")
    assert get(own_server, "/healthz")[0] == 200
    assert get(own_server, "/readyz")[0] == 503


def test_strangers_reach_neither_health_nor_metrics(own_server: Serving) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"):
        assert get(own_server, path, port=own_server.port)[0] == 404


def test_no_path_makes_a_series_or_a_line_of_the_log(own_server: Serving) -> None:
    before = len(get(own_server, "/metrics")[1].splitlines())
    connection = http.client.HTTPConnection("127.0.0.1", own_server.port, timeout=60)
    for number in range(2000):
        method = ("GET", "POST", "PURGE")[number % 3]
        path = (f"/git/demo/n{number}.git/info/refs?service={number}", f"/{number}%0aforged")[number % 2]
        connection.request(method, path)
        connection.getresponse().read()
    after = get(own_server, "/metrics")[1].splitlines()
    assert len(after) < before + 12
    assert not [line for line in after if "shop" in line or "host1" in line]
    assert "\nforged" not in own_server.log()


def test_the_root_says_what_this_is(own_server: Serving) -> None:
    code, text = get(own_server, "/", port=own_server.port)
    assert (code, "paas new-app" in text) == (200, True)
    code, text = get(own_server, "/nothing", port=own_server.port)
    assert (code, text) == (404, "There is nothing at this address; see / for what this server does\n")


def test_the_age_of_the_oldest_unhandled_push_is_a_metric(own_server: Serving, tmp_path: Path) -> None:
    server = own_server
    server.cluster.add_config("shop")
    clone = Clone(tmp_path / "clone")
    clone.path.mkdir()
    clone.git("init", "-q", "-b", "main", ok=True)
    clone.commit()
    assert value(server, "paas_push_oldest_unhandled_seconds") == 0
    server.cluster.switch("unreachable-for-builds")
    pushing = subprocess.Popen(
        [*clone.command(), "push", "-q", server.url("shop"), "main"],
        cwd=clone.path,
        env=clone.env(),
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: value(server, "paas_push_oldest_unhandled_seconds") > 1, "the push grows old")
    assert value(server, "paas_push_unhandled") == 1
    server.cluster.switch("unreachable-for-builds", on=False)
    assert pushing.wait(60) == 0
    # the mark is made after the pusher was answered
    wait_for(lambda: value(server, "paas_push_oldest_unhandled_seconds") == 0, "the push is handled")
    assert value(server, 'paas_push_total{result="accepted"}') == 1


def value(server: Serving, name: str) -> float:
    lines = get(server, "/metrics")[1].splitlines()
    return float(next((line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} ")), 0))


def test_repositories_have_one_writer(tmp_path: Path) -> None:
    with started(tmp_path / "one") as server:
        argv = [sys.executable, "-c", SECOND, str(server.repositories)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert "another server writes to" in done.stderr
        assert done.returncode != 0


SECOND = """
import sys
from pathlib import Path
from paas.server import app
app.LOCK_SECONDS = 0.2
with app._only_writer(Path(sys.argv[1])):
    print("served")
"""


def test_a_failure_tells_nothing_of_the_inside(own_server: Serving) -> None:
    """C11: a broken repositories folder, as an example."""
    own_server.cluster.add_config("shop")
    own_server.cluster.root.joinpath("configs", "demo+shop").write_text("{")
    connection = http.client.HTTPConnection("127.0.0.1", own_server.port, timeout=30)
    path = "/git/demo/shop.git/info/refs?service=git-receive-pack"
    connection.request("GET", path, headers={"Authorization": "Bearer token-of-alice"})
    answer = connection.getresponse()
    body = answer.read().decode()
    assert (answer.status, body) == (500, "The server failed; what happened is in its log\n")
    assert "JSONDecodeError" in own_server.log()


def test_a_sigterm_ends_the_process_with_0(tmp_path: Path) -> None:
    with started(tmp_path / "one") as server:
        assert server.process is not None
        server.process.terminate()
        assert server.process.wait(30) == 0


def test_the_end_of_a_task_that_nobody_awaits_ends_the_process(tmp_path: Path) -> None:
    with started(tmp_path / "one", kill="scan-ends") as server:
        assert server.process is not None
        assert server.process.wait(30) == 1
        assert "TaskEnded: task 'look through repositories for pushes' ended: LookupError" in server.log()


async def test_health_names_the_task_that_ended() -> None:
    tasks = Tasks()
    health = Health(
        ended=lambda: next((end.name for end in tasks.ended), ""),
        ready=cast(Any, None),
        metrics=cast(Any, None),
    )
    assert await asked(health) == (200, "ok\n")

    async def ends() -> None:
        raise LookupError("what nobody outside needs to know")

    tasks.start(ends(), name="sweep")
    await tasks.first_end()
    assert await asked(health) == (503, "task 'sweep' ended\n")


async def test_a_process_is_not_ready_before_it_takes_requests() -> None:
    async def ready() -> bool:
        return True

    listening = False
    health = Health(ended=lambda: "", ready=ready, metrics=cast(Any, None))
    health.only_when(lambda: listening)
    assert await asked(health, "/readyz") == (503, "it is starting\n")
    assert await asked(health) == (200, "ok\n"), "else it would be killed while it starts"
    listening = True
    assert await asked(health, "/readyz") == (200, "ok\n")


async def asked(health: Health, path: str = "/healthz") -> tuple[int, str]:
    """What the kubelet is answered."""
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    await health(scope, cast(Any, None), send)
    return said[0]["status"], b"".join(message.get("body", b"") for message in said).decode()
