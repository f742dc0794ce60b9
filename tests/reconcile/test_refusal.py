"""What counts as a refusal, what it says, and how long it is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from paas.api.names import Reason
from paas.api.resources import JOB, SECRET, Key, Manifest
from paas.kube.errors import ApiError
from paas.reconcile.plan import Action, Apply, Create, Delete, Effect, Event, Plan, Requeue, Status
from paas.reconcile.refusal import (
    WORDS_LIMIT,
    Cause,
    EffectRefused,
    Refusal,
    concerning,
    of_answer,
    of_effect,
    subject_of,
)
from paas.reconcile.refusal_memory import LONGEST_PAUSE, RefusalMemory
from paas.reconcile.status import refused

KEY = Key("demo", "shop")
QUOTA = 'jobs.batch "a" is forbidden: exceeded quota: small, requested: count/jobs.batch=1, used: ...'
RIGHTS = 'jobs.batch is forbidden: User "operator" cannot create resource "jobs" in API group "batch"'
POLICY = "ValidatingAdmissionPolicy 'no-jobs' with binding 'all' denied request: no Jobs here"


@dataclass(frozen=True)
class Call(Effect):
    number: str

    @property
    def subject(self) -> str:
        return f"call {self.number}"


def manifest(kind: str = "Job", name: str = "a", **spec: str) -> Manifest:
    version = {"Job": "batch/v1", "Secret": "v1"}[kind]
    return {"apiVersion": version, "kind": kind, "metadata": {"namespace": "demo", "name": name}, **spec}


CREATE = Create(manifest(), owner_uid="1")


@pytest.mark.parametrize(
    ("status", "message", "cause"),
    [
        (403, QUOTA, Cause.QUOTA),
        (403, "failed quota: small: must specify limits.cpu for: web", Cause.QUOTA),
        (403, RIGHTS, Cause.RIGHTS),
        (422, POLICY, Cause.POLICY),
        (400, 'admission webhook "x" denied the request: no', Cause.POLICY),
        (403, 'pods "a" is forbidden: a Pod cannot run as root', Cause.POLICY),
        (403, 'no more than 3 of resource "jobs" here', Cause.POLICY),
        (403, "maximum cpu usage per Container is 1, but limit is 2", Cause.POLICY),
        (422, "spec.template.spec.containers[0].name: Required value", Cause.INVALID),
        (413, "Request entity too large", Cause.INVALID),
        (500, "failed to create typed patch object: .spec.replica: not declared", Cause.INVALID),
        (500, "unable to convert unstructured object to apps/v1, Kind=Deployment", Cause.INVALID),
    ],
)  # fmt: skip
def test_answers_about_what_was_asked_are_refusals(status: int, message: str, cause: Cause) -> None:
    refusal = of_answer(CREATE, ApiError(status, "X", message))
    assert refusal is not None
    assert (refusal.cause, refusal.words, refusal.status) == (cause, message.rstrip(" .;"), status)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "Unauthorized"),
        (404, 'namespaces "demo" not found'),
        (408, "the request did not come in time"),
        (409, "the object has been modified"),
        (410, "too old resource version"),
        (429, "too many requests"),
        (500, 'failed calling webhook "x": connection refused'),
        (503, "the server is currently unable to handle the request"),
        (403, "unable to create new content in namespace demo because it is being terminated"),
    ],
)
def test_answers_that_may_soon_be_others_are_none(status: int, message: str) -> None:
    assert of_answer(CREATE, ApiError(status, "X", message)) is None


def test_words_are_one_line_and_not_endless() -> None:
    refusal = of_answer(CREATE, ApiError(422, "Invalid", "a\n  b " + "x" * 5000))
    assert refusal is not None
    assert refusal.words.startswith("a b xxx")
    assert len(refusal.words) == WORDS_LIMIT


@pytest.mark.parametrize(
    ("action", "subject"),
    [
        (CREATE, ("Create", "Job", "demo/a")),
        (Apply(manifest("Secret")), ("Apply", "Secret", "demo/a")),
        (Delete(JOB, KEY, "1"), ("Delete", "Job", "demo/shop")),
        (Status(JOB, KEY, "1", {}), ("Status", "Job", "demo/shop")),
        (Call("1"), ("Call", "", "call 1")),
        (Event(JOB, KEY, "1", "Why", "text"), None),
        (Requeue(1), None),
    ],
)
def test_what_an_action_is_about(action: Action, subject: tuple[str, str, str] | None) -> None:
    assert subject_of(action) == subject


def test_a_refusal_is_found_by_the_object_that_it_concerns() -> None:
    refusals = (Refusal(CREATE, Cause.QUOTA, "no"), of_effect(Call("1"), EffectRefused("no; ask again")))
    assert concerning(refusals, JOB, Key("demo", "a")) == refusals[:1]
    assert concerning(refusals, SECRET, Key("demo", "a")) == ()
    assert concerning(refusals, JOB, Key("other", "a")) == ()


@pytest.mark.parametrize(
    ("cause", "hint"),
    [
        (Cause.QUOTA, "kubectl describe quota -n demo"),
        (Cause.RIGHTS, "paas install"),
        (Cause.POLICY, "ask an administrator"),
        (Cause.INVALID, "correct the spec"),
    ],
)
def test_a_refusal_says_what_why_and_what_to_do(cause: Cause, hint: str) -> None:
    blocker = refused(Refusal(CREATE, cause, "the server's words", 403), namespace="demo")
    assert (blocker.reason, blocker.stalled) == (Reason.REFUSED, True)
    assert blocker.message.startswith("the cluster refuses Job a: the server's words; ")
    assert hint in blocker.message


def test_what_refused_an_effect_speaks_for_itself() -> None:
    refusal = of_effect(Call("1"), EffectRefused("the line is dead; mount its key"))
    assert refused(refusal, namespace="demo").message == "the line is dead; mount its key"
    lacking = of_answer(Call("1"), ApiError(403, "Forbidden", RIGHTS))
    assert lacking is not None
    assert refused(lacking, namespace="demo").message.startswith(f"the cluster refuses call 1: {RIGHTS}; ")


class Memory:
    """A memory of one key and its clock."""

    def __init__(self) -> None:
        self.memory, self.now = RefusalMemory(), 0.0

    def run(self, plan: Plan, *accepted: Action, refused: tuple[Refusal, ...] = ()) -> tuple[bool, bool]:
        subjects = {subject for action in accepted if (subject := subject_of(action))}
        news = self.memory.settle(KEY, plan, accepted=subjects, refused=refused, now=self.now)
        return news.changed, news.withdrawn

    def waits(self, plan: Plan) -> bool:
        return bool(self.memory.not_yet(KEY, plan, now=self.now))


PLAN = Plan((CREATE,))
NO = Refusal(CREATE, Cause.QUOTA, "used: 1")


def test_a_refusal_is_kept_until_the_same_is_accepted() -> None:
    it = Memory()
    assert it.run(PLAN, refused=(NO,)) == (True, False)
    assert it.memory.of(KEY) == (NO,)
    assert it.memory.of(Key("demo", "other")) == ()
    assert it.run(PLAN, refused=(NO,)) == (False, False), "said already"
    assert it.run(PLAN) == (False, False), "not reached"
    assert it.memory.of(KEY) == (NO,)
    assert it.run(PLAN, CREATE) == (True, False)
    assert it.memory.of(KEY) == ()


def test_other_words_are_news() -> None:
    it = Memory()
    it.run(PLAN, refused=(NO,))
    other = Refusal(CREATE, Cause.QUOTA, "used: 2")
    assert it.run(PLAN, refused=(other,)) == (True, False)
    assert it.memory.of(KEY) == (other,)


def test_what_is_no_longer_asked_for_is_forgotten() -> None:
    it = Memory()
    it.run(PLAN, refused=(NO,))
    assert it.run(Plan()) == (True, True)
    assert it.memory.of(KEY) == ()


def test_the_same_is_not_asked_again_before_a_growing_pause_is_over() -> None:
    it = Memory()
    pauses = []
    for _ in range(12):
        it.run(PLAN, refused=(NO,))
        begun = it.now
        while it.waits(PLAN):
            it.now += 0.25
        pauses.append(it.now - begun)
    assert pauses[:4] == [0.5, 1, 2, 4]
    assert max(pauses) == pauses[-1] == LONGEST_PAUSE


def test_something_else_for_the_same_object_is_asked_at_once() -> None:
    it = Memory()
    it.run(PLAN, refused=(NO,))
    assert it.waits(PLAN)
    assert not it.waits(Plan((Create(manifest(spec="other"), owner_uid="1"),)))
    assert not it.waits(Plan((Delete(JOB, KEY, "1"),)))


@pytest.mark.parametrize("field", ["data", "stringData"])
def test_a_refused_secret_does_not_show_its_values(field: str) -> None:
    plain, encoded = "hunter2-and-more", "aHVudGVyMi1hbmQtbW9yZQ=="
    secret = manifest("Secret") | {field: {"password": encoded if field == "data" else plain}}
    said = (
        f'Secret "a" is invalid: data[password]: Invalid value: "{plain}"; also {secret[field]["password"]}'
    )
    found = of_answer(Create(secret, owner_uid="1"), ApiError(422, "Invalid", said))
    assert found is not None
    assert plain not in found.words
    assert encoded not in found.words
    assert "data[password]: Invalid value" in found.words


@pytest.mark.parametrize("action", [Apply, Create])
def test_of_a_secret_s_values_no_part_is_shown(action: type[Apply] | type[Create]) -> None:
    """One value begins like another; one is empty, one is no text and one no base64."""
    data = {"none": "", "bytes": "//79", "broken": "!", "short": "cGFzcw==", "long": "cGFzc3dvcmQ="}
    given = manifest("Secret") | {"data": data}
    asked = Apply(given) if action is Apply else Create(given, owner_uid="1")
    found = of_answer(asked, ApiError(422, "Invalid", 'data: Invalid value: "password", not //79'))
    assert found is not None
    assert found.words == 'data: Invalid value: "(hidden)", not (hidden)'


def test_a_value_that_is_quoted_in_the_answer_is_hidden_too() -> None:
    key = '-----BEGIN KEY-----\nab"c\n-----END KEY-----\n'
    secret = manifest("Secret") | {"stringData": {"tls.key": key}}
    said = 'Secret "a" is invalid: data[tls.key]: Invalid value: ' + json.dumps(key)
    found = of_answer(Create(secret, owner_uid="1"), ApiError(422, "Invalid", said))
    assert found is not None
    assert found.words == 'Secret "a" is invalid: data[tls.key]: Invalid value: "(hidden)"'


def test_words_are_one_line_that_can_be_printed() -> None:
    found = of_answer(CREATE, ApiError(422, "Invalid", "a\x1b[2K\r\nb\x9b\u202ec\x00 é\t."))
    assert found is not None
    assert found.words == "a[2K bc é"


def test_what_an_effect_says_is_one_line_and_not_endless() -> None:
    words = of_effect(Call("1"), EffectRefused("a\n  b. " + "x" * 5000)).words
    assert words.startswith("a b. xxx")
    assert len(words) == WORDS_LIMIT


def test_another_cause_with_the_same_words_is_news() -> None:
    it = Memory()
    it.run(PLAN, refused=(NO,))
    assert it.run(PLAN, refused=(Refusal(CREATE, Cause.POLICY, NO.words),)) == (True, False)


def test_the_first_of_several_pauses_wakes_and_pauses_are_stretched() -> None:
    memory, other = RefusalMemory(), Refusal(Call("1"), Cause.EFFECT, "no")
    both = Plan((CREATE, Call("1")))
    first = memory.settle(KEY, both, accepted=(), refused=(NO,), now=10, jitter=1.2)
    assert first.due == pytest.approx(10.6)
    assert memory.settle(KEY, both, accepted=(), refused=(other,), now=20).due == pytest.approx(10.6)
