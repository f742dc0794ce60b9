"""What a Build freezes, and when none is made."""

from __future__ import annotations

import json

import pytest

from paas.api.build import InvalidSource, Person, TriggerType
from paas.api.build_request import BuildRefused, BuildRequest
from paas.api.buildconfig import ANNOTATION_PAUSED
from paas.builds.instantiate import frozen
from paas.builds.numbers import LARGEST, highest_number
from paas.builds.prune import pruned_build
from paas.kube.body import encoded
from tests.builds.fake_cluster import config, push

EXTERNAL = {"git": {"uri": "https://git.example/team/shop.git", "ref": "main"}}


def test_everything_the_build_depends_on_is_copied() -> None:
    request = push(
        1,
        ref="refs/heads/main",
        author=Person(name="Ann", email="ann@example"),
        commit_message="Fix login\n",
        buildpack="python",
        user="ann",
    )
    build = frozen(config(completionDeadlineSeconds=60, source={"contextDir": "web"}), request, 7)
    spec = build["spec"]
    assert build["metadata"]["name"] == "shop-7"
    assert build["metadata"]["labels"]["paas.dev/buildconfig"] == "shop"
    assert build["metadata"]["ownerReferences"][0]["uid"] == "bc-1"
    assert spec["source"] == {"type": "Hosted", "git": {"ref": "refs/heads/main"}, "contextDir": "web"}
    assert spec["revision"]["git"]["author"] == {"name": "Ann", "email": "ann@example"}
    assert spec["revision"]["git"]["message"] == "Fix login"
    assert (spec["dockerfile"], spec["buildpack"]) == ("FROM scratch\n", "python")
    assert spec["completionDeadlineSeconds"] == 60
    assert spec["trigger"] == {"id": "push:1", "type": "Push", "message": "", "user": "ann"}


def test_long_texts_are_cut_to_what_the_schema_takes() -> None:
    build = frozen(
        config(), push(1, commit_message="x" * 10000, trigger_message="y" * 2000, user="z" * 2000), 1
    )
    assert len(build["spec"]["revision"]["git"]["message"]) == 8192
    assert len(build["spec"]["trigger"]["message"]) == 1024
    assert len(build["spec"]["trigger"]["user"]) == 1024


def test_no_cache_can_be_asked_for_one_build() -> None:
    build = frozen(config(), push(1, no_cache=True), 1)
    assert build["spec"]["strategy"]["dockerStrategy"]["noCache"] is True


def test_an_external_source_needs_no_commit() -> None:
    build = frozen(config(source=EXTERNAL), BuildRequest(trigger_id="1", trigger_type=TriggerType.MANUAL), 1)
    assert build["spec"]["source"] == {
        "type": "External", "git": {"uri": "https://git.example/team/shop.git", "ref": "main"}
    }  # fmt: skip
    assert "dockerfile" not in build["spec"]


def test_a_repetition_repeats_the_lost_build_and_not_the_buildconfig() -> None:
    lost = frozen(config(), push(1), 1)
    lost["metadata"]["uid"] = "x"
    changed = config(output={"to": {"name": "other:latest"}})
    request = BuildRequest(trigger_id="retry:x", trigger_type=TriggerType.RETRY, retry_of=lost)
    again = frozen(changed, request, 2)
    assert again["spec"]["output"] == lost["spec"]["output"]
    assert (again["spec"]["retryOf"], again["spec"]["number"]) == ("shop-1", 2)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (push(1, commit=None), "git push paas"),
        (push(1, dockerfile=None), "was not prepared"),
    ],
)
def test_hosted_source_must_be_there(request_: BuildRequest, says: str) -> None:
    with pytest.raises(BuildRefused, match=says):
        frozen(config(), request_, 1)


def test_source_that_cannot_be_built_still_makes_a_build() -> None:
    invalid = InvalidSource(reason="NoBuildpack", message="add a Dockerfile")
    build = frozen(config(), push(1, dockerfile=None, invalid=invalid), 1)
    assert build["spec"]["invalid"] == {"reason": "NoBuildpack", "message": "add a Dockerfile"}


def test_a_paused_or_broken_buildconfig_refuses() -> None:
    paused = config()
    paused["metadata"]["annotations"] = {ANNOTATION_PAUSED: "true"}
    with pytest.raises(BuildRefused, match="kubectl annotate bc/shop"):
        frozen(paused, push(1), 1)
    broken = config()
    del broken["spec"]["output"]
    with pytest.raises(BuildRefused, match=r"spec\.output"):
        frozen(broken, push(1), 1)


def test_numbers_go_on_after_pruning_and_after_a_namesake() -> None:
    assert highest_number(config(), []) == 0
    assert highest_number({**config(), "status": {"lastVersion": 7}}, []) == 7
    assert highest_number(config(), [{"spec": {"number": 9}}]) == 9
    by_hand = {"spec": {"number": LARGEST + 1}}
    assert highest_number(config(), [by_hand, {"spec": {"number": 9}}]) == 9
    assert highest_number({**config(), "status": {"lastVersion": LARGEST + 1}}, [by_hand]) == 0


def test_pruned_builds_are_remembered() -> None:
    remembered = {**config(), "status": {"triggers": [{"id": "push:1", "build": "shop-1"}]}}
    assert pruned_build(remembered, "push:1") == "shop-1"
    assert pruned_build(remembered, "push:2") is None


def test_a_commit_message_that_is_not_unicode_is_kept_as_far_as_it_can_be() -> None:
    """Git hosts send JSON, in which half of a pair of escapes can stand alone."""
    made = frozen(config(), push(commit_message="Fix \ud83d it", user="\udce9", ref="caf\udce9"), 1)
    git = made["spec"]["revision"]["git"]
    assert (git["message"], git["ref"]) == ("Fix \ufffd it", "caf\ufffd")
    assert made["spec"]["trigger"]["user"] == "\ufffd"
    assert json.loads(encoded(made)) == made
