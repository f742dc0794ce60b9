"""One embedded cluster for all e2e tests, in an instance of its own beside any other.

PAAS_E2E_KEEP=1 leaves it running at the end, so that the next run finds it; the instance is `paas up`ed
anyway, which brings a running one to the version of this checkout. PAAS_E2E_NAME and PAAS_E2E_PORTS (three,
for http, https and the API) make it another one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import cast

import pytest
import yaml

from paas.node import paths
from tests.support import diagnosis
from tests.support.platform import SETTINGS, Instance, Person, new_person, unused_name
from tests.support.samples import python_app

NAME = os.environ.get("PAAS_E2E_NAME", "e2e")
PORTS = [int(port) for port in os.environ.get("PAAS_E2E_PORTS", "28080,28443,26443").split(",")]


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    http, https, api = PORTS
    made = Instance(NAME, http, https, api, paths.state_root() / NAME)
    settings = tmp_path_factory.mktemp("settings") / "settings.yaml"
    settings.write_text(yaml.safe_dump(SETTINGS))
    ran = made.up("--settings", str(settings))
    print(ran.said)
    ran.ok()
    yield made
    if os.environ.get("PAAS_E2E_KEEP") != "1":
        made.down("--purge").ok()


def _shares(request: pytest.FixtureRequest) -> bool:
    return request.node.get_closest_marker("shared_app") is not None


@pytest.fixture
def person(request: pytest.FixtureRequest, instance: Instance, tmp_path: Path) -> Iterator[Person]:
    """Somebody new with a project of their own, which goes when the test is over; in a file marked
    `shared_app`, the one whom its tests share."""
    if _shares(request):
        yield request.getfixturevalue("module_person")
        return
    made = new_person(instance, unused_name("p"), tmp_path / "home")
    yield made
    instance.kubectl("delete", "namespace", made.project, "--wait=false")


@pytest.fixture
def app(request: pytest.FixtureRequest, person: Person) -> Path:
    """A clone whose application `shop` serves `one`, or did when the file's tests that share it began."""
    if _shares(request):
        return cast(Path, request.getfixturevalue("module_app"))
    folder = person.repository("shop", python_app("one"))
    person.paas("new-app", ".", "--name", "shop", cwd=folder).ok()
    person.push(folder).ok()
    return folder


@pytest.fixture(scope="module")
def module_person(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """Somebody whom all tests of a file share, with an application `shop` that serves `one`.

    An application costs half a minute; a test that leaves what is served as it was can share one.
    """
    made = new_person(instance, unused_name("m"), tmp_path_factory.mktemp("shared") / "home")
    folder = made.repository("shop", python_app("one"))
    made.git("tag", "first", cwd=folder).ok()
    made.paas("new-app", ".", "--name", "shop", cwd=folder).ok()
    made.push(folder).ok()
    yield made
    instance.kubectl("delete", "namespace", made.project, "--wait=false")


@pytest.fixture
def module_app(module_person: Person) -> Path:
    """Its clone, at the branch as the server has it, with the files of the first commit (not committed)."""
    folder = module_person.home / "shop"
    module_person.git("fetch", "-q", "paas", cwd=folder).ok()
    module_person.git("reset", "-q", "--hard", "refs/remotes/paas/main", cwd=folder).ok()
    module_person.git("rm", "-rq", ".", cwd=folder).ok()
    module_person.git("checkout", "first", "--", ".", cwd=folder).ok()
    return folder


@pytest.fixture
def another(instance: Instance, tmp_path: Path) -> Callable[[str], Person]:
    """Further people, each with a project of their own."""
    return lambda prefix: new_person(instance, unused_name(prefix), tmp_path / prefix)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What holds the audit log of all tests against the shipped roles comes last."""
    items.sort(key=lambda item: item.path.name == "test_rights.py")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows its project as it is at that moment: the fixtures take it away next."""
    report = yield
    person = getattr(item, "funcargs", {}).get("person")
    if report.failed and call.when == "call" and isinstance(person, Person):
        report.sections.append((f"project {person.project}", diagnosis.of(person)))
    return report
