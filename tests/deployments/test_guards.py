"""Each guard is needed: without it, the test that is named beside it goes red.

The guard is taken out of the running code (the compiled body of its function is replaced for the time of
the test), and the test is run. So a test that would pass without what it is about is found out.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType

import pytest

from paas.deployments import hold, plan, revision, rollout, snapshot, triggers, workload
from tests.deployments import test_blockers, test_hold, test_rollout, test_triggers, test_workload

GUARDS: list[tuple[ModuleType, str, str, Callable[[], None]]] = [
    (
        plan,
        "if progress == Progress.TIMED_OUT and current.phase != Phase.FAILED and _believed(snapshot):",
        "if progress == Progress.TIMED_OUT and current.phase != Phase.FAILED:",
        test_rollout.test_a_verdict_left_from_the_rollout_before_is_not_believed,
    ),
    (
        plan,
        "return current.phase == Phase.RUNNING or _remaining(snapshot) <= 0",
        "return current.phase == Phase.RUNNING",
        test_rollout.test_a_verdict_reached_while_nobody_looked_is_believed_after_its_time,
    ),
    (
        plan,
        "if newest is not None and newest.number > (state.latest_version or 0):",
        "if False:",
        test_rollout.test_an_image_that_comes_between_create_and_record_gets_a_revision_of_its_own,
    ),
    (
        plan,
        "if newest is None or rollout.gave_up(state, newest.number):",
        "if newest is None:",
        test_hold.test_unpin_does_not_try_again_what_had_failed,
    ),
    (
        plan,
        "if state.hold is not None or snapshot.pin_in_force:",
        "if state.hold is not None:",
        test_hold.test_not_even_an_unrecorded_revision_is_rolled_out_under_a_pin_to_nothing,
    ),
    (
        plan,
        "if state.hold is not None or snapshot.pin_in_force:",
        "if False:",
        lambda: test_hold.test_an_image_without_new_source_is_withheld_and_counted("ImageChange"),
    ),
    (
        plan,
        "keep.add(rollback.to_revision if rollback else None)",
        "pass",
        test_rollout.test_the_history_is_kept_to_its_limit_without_what_is_needed,
    ),
    (
        plan,
        "keep = {state.active_revision, rollout.target(state), snapshot.latest_version}",
        "keep = {snapshot.latest_version}",
        test_rollout.test_the_history_is_kept_to_its_limit_without_what_is_needed,
    ),
    (
        plan,
        "final=change.final",
        "final=True",
        lambda: test_hold.test_nobody_takes_a_release_for_the_end({"rollback": None}),
    ),
    (
        plan,
        "if blocker is not None and blocker.reason == Reason.NAME_TAKEN:",
        "if False:",
        test_blockers.test_a_foreign_deployment_is_never_touched,
    ),
    (
        plan,
        "if blocker is None or not _stops(blocker):",
        "if True:",
        test_rollout.test_a_rollout_that_is_paused_does_not_fail,
    ),
    (
        hold,
        "return event.build_number > baseline or event.build_config_uid not in known",
        "return True",
        test_hold.test_an_older_build_that_ends_late_is_withheld,
    ),
    (
        hold,
        "return event.build_number > baseline or event.build_config_uid not in known",
        "return event.build_number > baseline",
        test_hold.test_builds_of_a_new_buildconfig_are_numbered_apart,
    ),
    (
        hold,
        "if event.cause in SOURCE_CHANGES:",
        "if event.cause:",
        lambda: test_hold.test_an_image_without_new_source_is_withheld_and_counted("ImageChange"),
    ),
    (
        hold,
        "if edited and triggers.on_config_change(spec):",
        "if edited:",
        test_hold.test_an_edited_template_does_not_when_config_change_is_off,
    ),
    (
        hold,
        "if request is not None and request != hold.request:",
        "if request is not None:",
        test_hold.test_a_request_that_was_there_before_does_not,
    ),
    (
        rollout,
        "if rollout.phase == Phase.FAILED and state.active_revision is not None:",
        "if False:",
        test_rollout.test_a_failed_rollout_goes_back_by_itself_and_is_not_tried_again,
    ),
    (
        rollout,
        "and row.reason == RolloutReason.PROGRESS_DEADLINE_EXCEEDED",
        "",
        test_hold.test_unpin_takes_up_a_rollout_that_the_rollback_had_cut_short,
    ),
    (
        triggers,
        "if missing:",
        "if False:",
        test_triggers.test_a_trigger_added_without_an_image_holds_the_next_revision_back,
    ),
    (
        triggers,
        'if container["name"] not in seen and not str(container.get("image") or "").strip():',
        "if False:",
        test_triggers.test_a_trigger_taken_away_lets_the_written_image_count,
    ),
    (
        triggers,
        "taken = current if current is not None and (trigger.automatic or manual) else None",
        "taken = current",
        test_triggers.test_a_trigger_that_is_not_automatic_is_resolved_by_hand_alone,
    ),
    (
        triggers,
        "before = known or _running(newest, trigger)",
        "before = known",
        test_triggers.test_a_trigger_added_for_the_image_that_runs_rolls_out_nothing,
    ),
    (
        workload,
        'if int(status.get("observedGeneration") or 0) < int(live["metadata"].get("generation") or 0):',
        "if False:",
        test_rollout.test_the_phases_of_a_rollout,
    ),
    (
        workload,
        "if not noted(live, wanted) or revision_of(live) != revision_of(wanted):",
        "if False:",
        test_workload.test_progress_is_about_this_revision_and_these_replicas_alone,
    ),
    (
        workload,
        "if needed is None or live is None or not noted(live, wanted) or tried != tried_at(live):",
        "if True:",
        test_rollout.test_a_value_that_the_api_server_writes_in_another_form_is_applied_once_more_and_no_more,
    ),
    (
        workload,
        'return None if meta.covers(live["metadata"], wanted["metadata"]) else needed',
        "return None",
        test_rollout.test_a_value_that_the_api_server_writes_in_another_form_is_applied_once_more_and_no_more,
    ),
    (
        snapshot,
        "for rule in (_name_taken, _bad_triggers, _paused, _pinned_to_nothing):",
        "for rule in (_bad_triggers, _paused, _pinned_to_nothing):",
        test_blockers.test_a_foreign_deployment_is_never_touched,
    ),
    (
        snapshot,
        "if snapshot.next_revision is None or not snapshot.observed.refusal:",
        "if True:",
        test_blockers.test_a_template_that_the_cluster_refuses_never_becomes_a_revision,
    ),
    (
        revision,
        "if not meta.owned_by(manifest, owner_uid) or not isinstance(number, int):",
        "if not isinstance(number, int):",
        test_blockers.test_a_foreign_revision_name_is_never_taken_over,
    ),
]


@pytest.mark.parametrize(("module", "guard", "without", "test"), GUARDS)
def test_without_the_guard_its_test_goes_red(
    module: ModuleType, guard: str, without: str, test: Callable[[], None]
) -> None:
    test()
    with _without(module, guard, without), pytest.raises(Exception):  # noqa: B017
        test()


@contextlib.contextmanager
def _without(module: ModuleType, guard: str, without: str) -> Iterator[None]:
    source = inspect.getsource(module)
    assert source.count(guard) == 1, f"{module.__name__} has this guard {source.count(guard)} times: {guard}"
    changed = dict(module.__dict__)
    exec(compile(source.replace(guard, without), str(module.__file__), "exec"), changed)
    functions = {
        name: value
        for name, value in module.__dict__.items()
        if isinstance(value, FunctionType) and value.__module__ == module.__name__
    }
    before = {name: function.__code__ for name, function in functions.items()}
    for name, function in functions.items():
        function.__code__ = changed[name].__code__
    try:
        yield
    finally:
        for name, function in functions.items():
            function.__code__ = before[name]
