"""An ImageStream whose plans are applied at once, and Builds for it by the dozen."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import strategies as st

from paas.api.resources import Manifest
from paas.images.plan import Observed, plan
from paas.reconcile.plan import Event, Plan, Status
from paas.registry.repositories import Repositories
from paas.settings import Settings
from tests.support import documented
from tests.support.completed_builds import build

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SETTINGS = Settings(registry_pull="registry.test:5000")
REPOSITORIES = Repositories("demo", "uid_0123456789ab")


def planned(observed: Observed, now: datetime = NOW) -> Plan:
    return plan(observed, now=now, settings=SETTINGS)


def applied(result: Plan, to: Manifest) -> Manifest:
    """The stream after its plan: a Status replaces the status, an Event changes nothing."""
    for action in result.actions:
        match action:
            case Status():
                documented.check("ImageStream", action.status)
                to = {**to, "status": action.status}
            case Event():
                pass
            case _:
                pytest.fail(f"an ImageStream's plan has no {action}")
    return to


def condition(obj: Manifest) -> tuple[str, str]:
    (ready,) = [each for each in obj["status"]["conditions"] if each["type"] == "Ready"]
    return ready["status"], ready["reason"]


builds_strategy = st.lists(
    st.builds(
        build,
        st.integers(1, 6),
        image=st.sampled_from("abc"),
        at=st.integers(0, 5),
        config=st.sampled_from(["shop", "api"]),
        to=st.sampled_from(["shop:latest", "shop:edge"]),
        phase=st.sampled_from(["Complete", "Complete", "Running"]),
    ),
    max_size=12,
    unique_by=lambda one: one["metadata"]["name"],
)
