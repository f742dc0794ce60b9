"""The init process of an instance outlives a disk that is full: with it, everything would end."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from paas.node.supervise import WAITING, Component, Supervisor, answers


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    instructions = tmp_path / "run" / "supervise.json"
    instructions.parent.mkdir()
    process = {
        "name": "etcd", "argv": ["/nonexistent/etcd"], "outside": False, "environment": {},
        "after": [], "once": False, "probe": None, "stop": 0, "grace": 1,
    }  # fmt: skip
    instructions.write_text(json.dumps({"processes": [process], "setup": [], "mounts": {}, "drain": {}}))
    return Supervisor(instructions, host_net=0)


def test_a_status_that_cannot_be_written_is_written_when_it_can(supervisor: Supervisor) -> None:
    in_the_way = supervisor.run / "status.json.part"
    in_the_way.mkdir()
    supervisor.write_status("running")
    assert not (supervisor.run / "status.json").exists()
    in_the_way.rmdir()
    supervisor.write_status("running")
    assert json.loads((supervisor.run / "status.json").read_text())["phase"] == "running"


@pytest.mark.parametrize("logs", [True, False])
def test_a_component_that_cannot_be_started_is_tried_again(supervisor: Supervisor, logs: bool) -> None:
    """Also when its log cannot be written."""
    if logs:
        supervisor.logs.mkdir()
    (component,) = supervisor.components
    assert isinstance(component, Component)
    assert supervisor.advance(100.0)
    assert (component.state, component.pid) == (WAITING, None)
    assert component.not_before > 100.0
    if logs:
        assert "could not be started" in (supervisor.logs / "etcd.log").read_text()


def test_what_is_no_http_is_no_answer() -> None:
    """Something else may listen there, or the component is not itself yet."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            client, _ = listener.accept()
            client.sendall(b"SSH-2.0-OpenSSH\r\n")
            client.close()

        thread = threading.Thread(target=greet)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/healthz"
        assert not answers({"url": url, "authority": "", "unix": "", "tcp": "", "interface": ""})
        thread.join()
