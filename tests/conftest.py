"""How every test is run.

- Properties: an example may take its time (the machine may be busy), and CI tries the same examples for the
  same code, so that a red run can be repeated.
- A test with `guard` marks is run once more without each of its guards, and must fail then
  (tests/support/guards.py).
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.guards import Guard

settings.register_profile(
    "paas",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("paas")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    guards = [Guard(*mark.args) for mark in metafunc.definition.iter_markers("guard")]
    if guards:
        names = ["", *(f"without guard {number}" for number in range(1, len(guards) + 1))]
        metafunc.fixturenames.append("guard")
        metafunc.parametrize("guard", [None, *guards], ids=names)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    missing = pyfuncitem.callspec.params.get("guard") if hasattr(pyfuncitem, "callspec") else None
    if not isinstance(missing, Guard):
        return (yield)
    with missing.removed(), pytest.raises(Exception):  # noqa: B017
        yield
    return True
