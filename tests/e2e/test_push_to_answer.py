"""From `git push` to an answer over HTTPS, and back to an earlier one."""

from __future__ import annotations

import secrets

import pytest

from tests.support.load import load
from tests.support.platform import Person, eventually
from tests.support.samples import python_app

pytestmark = pytest.mark.e2e


def test_a_push_answers_and_the_next_one_replaces_it_without_a_failed_request(person: Person) -> None:
    nonces = [secrets.token_hex(8) for _ in range(3)]
    folder = person.repository("shop", python_app(f"one {nonces[0]}"))
    person.paas("new-app", ".", "--name", "shop", cwd=folder).ok()

    first = person.push(folder).ok()
    assert "Python" in first.said, first.said
    assert f"https://{person.host('shop')}:{person.instance.https_port}" in first.said
    answer = person.answer("shop")
    assert (answer.status, answer.text) == (200, f"one {nonces[0]}\n")

    redirect = person.instance.get(person.host("shop"), "/a?b=c", tls=False)
    assert redirect.status in (301, 302, 307, 308)
    assert redirect.headers["Location"] == f"https://{person.host('shop')}:{person.instance.https_port}/a?b=c"

    with load(person.host("shop"), person.instance.https_port, person.instance.authority) as totals:
        person.commit(folder, python_app(f"two {nonces[1]}"), "Say two")
        person.push(folder).ok()
        eventually(
            lambda: person.answer("shop").text == f"two {nonces[1]}\n", seconds=30, what="the new text"
        )
        _wait_for_old_pods_to_leave(person)
    assert totals.failed == 0, totals
    assert totals.requests / totals.seconds >= 200, totals
    assert set(totals.texts) == {f"one {nonces[0]}", f"two {nonces[1]}"}

    undone = person.paas("rollout", "undo", "dc/shop").ok()
    eventually(
        lambda: person.answer("shop").text == f"one {nonces[0]}\n", seconds=60, what="the old text is back"
    )
    assert "unpin" in undone.said, "undo must say how its hold is released"

    # Held: a rebuild by hand brings a new image of the newest source, and it does not roll out.
    person.paas("start-build", "shop", "--wait").ok()
    stream = person.instance.object("imagestream", person.project, "shop")
    assert stream is not None
    assert stream["status"]["tags"][0]["items"][0]["buildNumber"] == 3
    held = person.instance.object("deploymentconfig", person.project, "shop")
    assert held is not None
    assert held["status"]["hold"]["withheld"] >= 1
    assert person.answer("shop").text == f"one {nonces[0]}\n"

    person.paas("unpin", "shop").ok()
    eventually(
        lambda: person.answer("shop").text == f"two {nonces[1]}\n",
        seconds=90,
        what="unpinned, the newest serves",
    )
    person.commit(folder, python_app(f"three {nonces[2]}"), "Say three")
    person.push(folder).ok()
    assert person.answer("shop").text == f"three {nonces[2]}\n"


def test_a_push_of_new_source_releases_a_held_rollback(person: Person) -> None:
    folder = person.repository("shop", python_app("one"))
    person.paas("new-app", ".", "--name", "shop", cwd=folder).ok()
    person.push(folder).ok()
    person.commit(folder, python_app("two"), "Say two")
    person.push(folder).ok()
    person.paas("rollout", "undo", "dc/shop").ok()
    eventually(lambda: person.answer("shop").text == "one\n", seconds=60, what="the old text is back")
    person.commit(folder, python_app("three"), "Say three")
    person.push(folder).ok()
    assert person.answer("shop").text == "three\n"

    # Old Builds go as the BuildConfig says; what they brought stays in the ImageStream.
    limit = '{"spec":{"successfulBuildsHistoryLimit":1}}'
    person.instance.kubectl("patch", "bc", "shop", "-n", person.project, "--type=merge", "-p", limit).ok()
    eventually(
        lambda: (
            [b["metadata"]["name"] for b in person.instance.objects("builds", person.project)] == ["shop-3"]
        ),
        seconds=30,
        what="only the newest Build is kept",
    )
    stream = person.instance.object("imagestream", person.project, "shop")
    assert stream is not None
    assert [item["build"] for item in stream["status"]["tags"][0]["items"]] == ["shop-3", "shop-2", "shop-1"]


def _wait_for_old_pods_to_leave(person: Person) -> None:
    def only_new() -> bool:
        pods = person.instance.objects("pods", person.project)
        revisions = {
            pod["metadata"]["labels"].get("paas.dev/revision")
            for pod in pods
            if "paas.dev/deploymentconfig" in pod["metadata"].get("labels", {})
        }
        return len(revisions) == 1

    eventually(only_new, seconds=90, what="the old pods are gone")
