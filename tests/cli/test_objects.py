"""How people name objects, what is a usage error before a cluster is asked, and what after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from paas.api import resources as r
from paas.cli.find import kinds_of
from paas.cli.main import run
from paas.cli.objects import parse
from paas.kube.cluster import Cluster
from paas.kube.mapper import Mapper, of_aggregated
from paas.terminal.problem import ExitCode, Problem
from tests.support import discovery

MAPPER = Mapper(of_aggregated(*discovery.aggregated()))


class Server:
    host, ca, user = "https://127.0.0.1:6443", "", ""

    def __init__(self, *, platform: bool = True) -> None:
        self.core, self.groups = discovery.aggregated()
        if not platform:
            self.groups = {**self.groups, "items": self.groups["items"][:-2]}

    async def request(self, method: str, path: str, *, accept: str = "") -> Any:
        return self.core if path == "/api" else self.groups


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["bc"], [(r.BUILDCONFIG, None)]),
        (["builds.paas.dev"], [(r.BUILD, None)]),
        (["bc,dc"], [(r.BUILDCONFIG, None), (r.DEPLOYMENTCONFIG, None)]),
        (["Build", "shop-1", "shop-2"], [(r.BUILD, "shop-1"), (r.BUILD, "shop-2")]),
        (["bc/shop", "route.paas.dev/shop"], [(r.BUILDCONFIG, "shop"), (r.ROUTE, "shop")]),
        (["app", "shop"], [(None, "shop")]),
        (["app/shop"], [(None, "shop")]),
        (["po"], [(r.POD, None)]),
        (["pvc", "data"], [(r.PERSISTENTVOLUMECLAIM, "data")]),
        (["hpa,nodes"], [(r.HPA, None), (r.NODE, None)]),
    ],
)
def test_how_people_name_objects(
    arguments: list[str], found: list[tuple[r.Resource | None, str | None]]
) -> None:
    assert [(MAPPER.find(n.kind).resource if n.kind else None, n.name) for n in parse(arguments)] == found


def test_all_is_our_five_kinds() -> None:
    own = [r.BUILDCONFIG, r.BUILD, r.IMAGESTREAM, r.DEPLOYMENTCONFIG, r.ROUTE]
    for arguments in ([], ["all"]):
        assert [MAPPER.find(n.kind).resource for n in parse(arguments) if n.kind] == own


@pytest.mark.parametrize(
    "arguments", [["bc/"], ["/shop"], ["bc/a/b"], ["all", "shop"], ["bc/a", "shop"], [","]]
)
def test_what_names_nothing_is_a_usage_error(arguments: list[str]) -> None:
    with pytest.raises(Problem) as raised:
        parse(arguments)
    assert raised.value.code == ExitCode.USAGE
    assert raised.value.hint


KINDS = "kubectl api-resources lists the kinds of this cluster"


@pytest.mark.parametrize(
    ("arguments", "verb", "hint"),
    [
        (["boat"], "get", f"if it is an application: paas get app boat; else {KINDS}"),
        (["web"], "delete", f"if it is an application: paas delete app web; else {KINDS}"),
        (["deploymnts"], "get", "did you mean paas get deployments or paas get deployment?"),
        (["deploymnts/web"], "get", "did you mean paas get deployments/web or paas get deployment/web?"),
        (["boat/a"], "get", KINDS),
    ],
)
async def test_a_word_that_is_no_kind_of_the_cluster(arguments: list[str], verb: str, hint: str) -> None:
    with pytest.raises(Problem) as raised:
        await kinds_of(cast(Cluster, Server()), parse(arguments), verb=verb)
    assert (raised.value.code, raised.value.hint) == (ExitCode.USAGE, hint)


async def test_our_kinds_without_the_platform() -> None:
    with pytest.raises(Problem) as raised:
        await kinds_of(cast(Cluster, Server(platform=False)), parse(["dc"]), verb="get")
    assert raised.value.code == ExitCode.NOT_FOUND
    assert "the platform is not installed" in raised.value.why


@pytest.mark.parametrize(
    "arguments",
    [
        ["get", "-o", "xml"],
        ["get", "-o", "jsonpath={.a"],
        ["get", "-o", "custom-columns=NAME"],
        ["get", "pods", "--sort-by", "{"],
        ["get", "bc/"],
        ["get", "pods", "a", "-A"],
        ["get", "pods", "a", "-l", "x=y"],
        ["get", "bc,dc", "-w"],
        ["get", "apps", "-w"],
        ["get", "apps", "-A"],
        ["get", "apps", "-l", "x=y"],
        ["get", "app,bc"],
        ["get", "pods", "-w", "--sort-by", ".a"],
        ["delete"],
        ["delete", "dc"],
        ["delete", "web"],
        ["delete", "dc", "a", "--all"],
        ["delete", "dc", "-l", "a=b", "--all"],
        ["delete", "app", "-l", "a=b"],
        ["set", "env", "shop", "A"],
        ["set", "env", "shop", "A=1", "A-"],
        ["set", "env", "shop", "A=1", "--list"],
        ["new-app", "--env", "PORT=3000", "--port", "4000"],
        ["start-build", "shop", "--follow", "--wait"],
        ["start-build", "dc/shop"],
        ["cancel-build", "bc/shop"],
        ["rollout", "undo", "bc/shop"],
        ["logs", "svc/shop"],
        ["logs", "shop", "-f", "-p"],
        ["open", "bc/shop"],
        ["expose", "dc/shop"],
        ["git-remote", "dc/shop"],
        ["new-app", "--env", "A"],
        ["new-project", "Demo"],
    ],
    ids=" ".join,
)
def test_usage_errors_need_no_cluster(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2, capsys.readouterr().err
    said = capsys.readouterr()
    assert said.out == ""
    first, second = said.err.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("hint: ")
