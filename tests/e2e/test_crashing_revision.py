"""An application whose worker dies after its port is open does not replace the revision that works."""

from __future__ import annotations

import secrets
import time

import pytest

from tests.support.load import load
from tests.support.platform import Person, eventually
from tests.support.samples import python_app

pytestmark = pytest.mark.e2e


def dying_app(nonce: str) -> dict[str, str]:
    """Opens its port as gunicorn's master does, and ends a second later as when its worker does not start."""
    return {
        "app.py": (
            "import os, socket, sys, time\n"
            "listening = socket.create_server(('', int(os.environ['PORT'])))\n"
            "print('Listening at 0.0.0.0', flush=True)\n"
            "time.sleep(1)\n"
            f"sys.exit('ModuleNotFoundError: No module named {nonce}')\n"
        ),
        "requirements.txt": "",
    }


def test_the_good_revision_goes_on_and_the_pusher_sees_the_log_within_seconds(person: Person) -> None:
    good, nonce = secrets.token_hex(8), secrets.token_hex(8)
    folder = person.repository("shop", python_app(good))
    person.paas("new-app", ".", "--name", "shop", cwd=folder).ok()
    person.push(folder).ok()
    before = _pods(person)

    with load(person.host("shop"), person.instance.https_port, person.instance.authority) as totals:
        person.commit(folder, dying_app(nonce), "Break the worker")
        pushed = person.push(folder).ok()
        time.sleep(5)  # it goes on answering, also after the pusher was told
    assert "revision 2 failed" in pushed.said, pushed.said
    assert f"No module named {nonce}" in pushed.said, pushed.said
    assert "Revision 1 keeps serving." in pushed.said
    # Those that reached the new pod while its port was open, which is half of them for a second, and once
    # more when its container was started again, until the pod was taken away; none after that, and no 503.
    assert set(totals.texts) == {good}
    assert "status 503" not in totals.failures, totals
    assert totals.failed <= totals.requests / totals.seconds / 2 * 4, totals

    config = person.instance.object("deploymentconfig", person.project, "shop")
    assert config is not None
    rollout = config["status"]["rollout"]
    assert (rollout["phase"], rollout["reason"]) == ("Failed", "ContainerRestarted")
    assert _seconds(rollout) <= 30, rollout
    assert config["status"]["activeRevision"] == 1
    eventually(lambda: _pods(person) == before, seconds=60, what="only the good pods are left, untouched")
    shown = person.paas("logs", "shop", "--revision", "2").ok()
    assert f"No module named {nonce}" in shown.out
    assert person.answer("shop").text == f"{good}\n"


def _pods(person: Person) -> set[str]:
    labelled = [
        pod["metadata"]
        for pod in person.instance.objects("pods", person.project)
        if "paas.dev/deploymentconfig" in pod["metadata"].get("labels", {})
    ]
    return {metadata["name"] for metadata in labelled}


def _seconds(rollout: dict[str, str]) -> float:
    from paas.reconcile.conditions import parse_time

    return (parse_time(rollout["finishedAt"]) - parse_time(rollout["startedAt"])).total_seconds()
