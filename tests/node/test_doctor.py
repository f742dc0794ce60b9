"""Each thing that may be missing has a finding of its own, with the command that fixes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paas.node import doctor
from paas.node.doctor import Facts, examine

FINE = Facts()


def test_a_machine_with_everything_has_no_findings() -> None:
    assert examine(FINE) == []


@pytest.mark.parametrize(
    ("facts", "what", "fix", "blocking"),
    [
        (replace(FINE, system="darwin"), "needs the Linux kernel", "paas install", True),
        (replace(FINE, python=(3, 10)), "Python is older", "apt-get install", True),
        (replace(FINE, root=False), "Not root", "sudo", True),
        (replace(FINE, capabilities=1 << 12), "CAP_SYS_ADMIN", "--privileged", True),
        (replace(FINE, namespaces=("mnt", "pid")), "of kind net", "CONFIG_NET_NS", True),
        (replace(FINE, cgroups=False), "cgroup", "mount -t cgroup2", True),
        (replace(FINE, missing_packages=("passt",)), "passt", "apt-get install -y", False),
        (replace(FINE, missing_packages=("passt",), apt=False), "passt", "or your system's names", True),
        (replace(FINE, uncompiled=("etcd",), go=False, package_index=False), "No Go", "put Go", True),
        (replace(FINE, uncompiled=("etcd",), free_cache=3), "compiling needs 20 GiB", "PAAS_CACHE", True),
        (replace(FINE, free_state=3), "3.0 GiB free", "PAAS_STATE", False),
        (replace(FINE, free_state=0.5), "0.5 GiB free", "PAAS_STATE", True),
        (replace(FINE, memory=1), "memory", "more memory", False),
        (replace(FINE, uplink=None), "no default route", "ip route add", True),
        (replace(FINE, resolvers=()), "no IPv4 resolver", "nameserver", False),
        (replace(FINE, ports_taken=(8443,)), "Port 8443", "ss -ltnp", True),
    ],
)
def test_what_is_missing_is_named_with_what_fixes_it(
    facts: Facts, what: str, fix: str, blocking: bool
) -> None:
    [finding] = examine(facts)
    assert what in finding.what
    assert fix in finding.fix
    assert finding.blocking is blocking


@pytest.mark.parametrize("changes", [{"go": False}, {"go": False, "package_index": False}, {"free_cache": 6}])
def test_what_only_compiling_needs_is_not_missed_when_all_is_compiled(changes: dict[str, object]) -> None:
    assert examine(replace(FINE, **changes)) == []  # type: ignore[arg-type]


def test_this_machine_can_be_examined() -> None:
    facts = doctor.gather((1,))
    assert facts.free_cache > 0
    assert facts.memory > 0
    examine(facts)
