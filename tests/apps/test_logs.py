"""Which containers `paas logs` reads."""

from __future__ import annotations

from paas.apps.logs import containers_with_log

POD = {
    "status": {
        "initContainerStatuses": [
            {"name": "fetch", "containerID": "a", "state": {"terminated": {"exitCode": 0}}}
        ],
        "containerStatuses": [
            {
                "name": "web",
                "containerID": "b",
                "state": {"running": {}},
                "lastState": {"terminated": {"exitCode": 1}},
            },
            {"name": "side", "state": {"waiting": {"reason": "ContainerCreating"}}},
        ],
    }
}


def test_containers_that_have_a_log() -> None:
    assert containers_with_log(POD, None) == {"fetch": "a", "web": "b"}
    assert containers_with_log(POD, "web") == {"web": "b"}
    assert containers_with_log(POD, "side") == {}


def test_only_a_container_that_was_restarted_has_a_log_of_the_run_before() -> None:
    assert containers_with_log(POD, None, previous=True) == {"web": "b"}
    assert containers_with_log(POD, "fetch", previous=True) == {}
