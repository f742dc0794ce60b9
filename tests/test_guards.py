"""A test that does not need its guard is found out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest_plugins = "pytester"

SUBJECT = """
def allowed(age):
    if age < 18:
        return False
    return True
"""
TESTS = """
import pytest
import subject

@pytest.mark.guard(subject, "if age < 18:", "if False:")
def test_minors(): assert not subject.allowed(17)

@pytest.mark.guard(subject, "if age < 18:", "if False:")
@pytest.mark.parametrize("age", [18, 40])
def test_adults(age): assert subject.allowed(age)

@pytest.mark.guard(subject, "if age < 21:", "if False:")
def test_a_guard_that_is_not_there(): assert not subject.allowed(17)
"""


def test_a_test_that_passes_without_its_guard_is_red(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(subject=SUBJECT, test_subject=TESTS)
    pytester.makeconftest((Path(__file__).parent / "conftest.py").read_text())
    pytester.syspathinsert()
    pytester.syspathinsert(Path(__file__).parents[1])
    pytester.makeini("[pytest]\nmarkers = guard\nasyncio_default_fixture_loop_scope = function")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=5, failed=3)
    result.stdout.fnmatch_lines(["*AssertionError: subject has this guard 0 times: if age < 21:"])
    failed = [line for line in result.outlines if line.startswith("FAILED")]
    assert ["test_adults" in line for line in failed] == [True, True, False]
    assert all("without guard" in line for line in failed)
    sys.modules.pop("subject", None)
