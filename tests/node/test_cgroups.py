"""Which cgroup file systems a machine has."""

from __future__ import annotations

from paas.node.cgroups import hierarchies, is_unified

HYBRID = """\
20 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 20 0:30 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
31 20 0:31 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:3 - cgroup cgroup rw,cpu,cpuacct
32 20 0:32 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
33 20 0:33 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
UNIFIED = "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_a_hybrid_machine_has_a_hierarchy_per_controller() -> None:
    found = {h.mount.name: (h.version, h.controllers) for h in hierarchies(HYBRID)}
    assert found == {
        "cpuset": (1, ("cpuset",)),
        "cpu,cpuacct": (1, ("cpu", "cpuacct")),
        "systemd": (1, ()),
        "unified": (2, ()),
    }
    assert not is_unified(hierarchies(HYBRID))


def test_a_unified_machine_has_one() -> None:
    [only] = hierarchies(UNIFIED)
    assert (str(only.mount), only.version) == ("/sys/fs/cgroup", 2)
    assert is_unified(hierarchies(UNIFIED))


def test_no_cgroups_are_not_unified() -> None:
    assert not is_unified(hierarchies(""))
