"""A push ends as a Build, in order, and the pusher reads what happens."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import urllib.request
from pathlib import Path

import pytest

from paas.api.resources import Manifest
from tests.support.git_server import Clone, Serving, fsck, name_of, wait_for

pytestmark = pytest.mark.integration


def push(clone: Clone, server: Serving, app: Manifest, *refs: str, ok: bool | None = True) -> str:
    return clone.git("push", server.url(name_of(app)), *(refs or ("main",)), ok=ok).err


def test_the_first_push_makes_a_build_and_shows_its_progress(
    server: Serving, app: Manifest, clone: Clone
) -> None:
    commit = clone.commit("Say hello")
    told = push(clone, server, app)
    assert f'-----> Received main {commit[:7]} "Say hello" (alice)' in told
    assert "Builds by Dockerfile" in told
    assert f"Build {name_of(app)}-1 queued" in told
    assert (
        told.index("Received")
        < told.index("queued")
        < told.index("=====> https")
        < told.index("main -> main")
    )
    (build,) = server.cluster.builds(name_of(app))
    assert build["spec"]["revision"]["git"]["commit"] == commit
    assert build["spec"]["trigger"]["user"] == "alice"
    assert build["spec"]["dockerfile"].startswith("FROM scratch")


def test_pushes_in_a_row_are_built_in_order(server: Serving, app: Manifest, clone: Clone) -> None:
    commits = []
    for number in range(4):
        commits.append(clone.commit(f"Change {number}"))
        push(clone, server, app)
    assert server.cluster.commits(name_of(app)) == commits


def test_several_commits_in_one_push_make_one_build_of_the_last(
    server: Serving, app: Manifest, clone: Clone
) -> None:
    for number in range(3):
        last = clone.commit(f"Change {number}")
    push(clone, server, app)
    assert server.cluster.commits(name_of(app)) == [last]


def test_a_source_without_anything_to_build_is_stored_and_its_build_says_why(
    server: Serving, app: Manifest, clone: Clone
) -> None:
    clone.commit("Only words", notes="hello\n")
    told = push(clone, server, app)
    assert " !     " in told
    assert "add a Dockerfile" in told
    (build,) = server.cluster.builds(name_of(app))
    assert build["spec"]["invalid"] == {"reason": "NoBuildpack"}
    assert build["spec"]["dockerfile"] is None


def test_another_branch_is_stored_and_said_so(server: Serving, app: Manifest, clone: Clone) -> None:
    clone.commit()
    push(clone, server, app)
    clone.git("checkout", "-q", "-b", "fix/login", ok=True)
    commit = clone.commit()
    told = push(clone, server, app, "fix/login")
    assert "fix/login does not deploy: main does" in told
    assert "git push paas fix/login:main" in told
    assert len(server.cluster.builds(name_of(app))) == 1
    # and deploys when pushed as it was told
    push(clone, server, app, "fix/login:main")
    assert server.cluster.commits(name_of(app))[1:] == [commit]


def test_the_first_branch_becomes_head_and_deploys(server: Serving, app: Manifest, clone: Clone) -> None:
    clone.commit()
    told = push(clone, server, app, "main:trunk")
    assert "Build" in told
    assert (server.repository(app) / "HEAD").read_text() == "ref: refs/heads/trunk\n"
    told = push(clone, server, app, "main:main")
    assert "main does not deploy: trunk does" in told


def test_of_several_first_branches_main_becomes_head(server: Serving, app: Manifest, clone: Clone) -> None:
    clone.commit()
    push(clone, server, app, "main:alpha", "main:main", "main:zulu")
    assert (server.repository(app) / "HEAD").read_text() == "ref: refs/heads/main\n"
    assert len(server.cluster.builds(name_of(app))) == 1


def test_the_buildconfig_says_which_branch_deploys(server: Serving, clone: Clone) -> None:
    app = server.cluster.add_config("release-app", ref="release")
    clone.commit()
    assert "main does not deploy: release does" in push(clone, server, app)
    assert "queued" in push(clone, server, app, "main:release")


def test_a_change_of_the_deploying_branch_does_not_build_what_was_pushed_before(
    server: Serving, app: Manifest, clone: Clone
) -> None:
    clone.commit()
    push(clone, server, app)
    clone.commit()
    push(clone, server, app, "main:release")
    app["spec"]["source"]["git"]["ref"] = "release"
    server.cluster.put_config(app)
    commit = clone.commit()
    push(clone, server, app, "main:release")
    assert server.cluster.commits(name_of(app))[1:] == [commit]


def test_tags_are_stored_and_do_not_deploy(server: Serving, app: Manifest, clone: Clone) -> None:
    clone.commit()
    push(clone, server, app)
    clone.git("tag", "-a", "-m", "One", "v1", ok=True)
    assert "Stored tag v1" in push(clone, server, app, "v1")
    assert len(server.cluster.builds(name_of(app))) == 1


def test_deleting_a_branch_makes_no_build_and_pushing_it_again_does(
    server: Serving, app: Manifest, clone: Clone
) -> None:
    commit = clone.commit()
    push(clone, server, app)
    told = push(clone, server, app, ":main")
    assert "Deleted main; no build" in told
    assert len(server.cluster.builds(name_of(app))) == 1
    push(clone, server, app)
    assert server.cluster.commits(name_of(app)) == [commit, commit]


def test_force_pushing_back_to_an_earlier_commit_builds_it_again(
    server: Serving, app: Manifest, clone: Clone
) -> None:
    first = clone.commit()
    push(clone, server, app)
    second = clone.commit()
    push(clone, server, app)
    push(clone, server, app, f"+{first}:main")
    assert server.cluster.commits(name_of(app)) == [first, second, first]


def test_an_atomic_push_is_taken_whole_or_not_at_all(server: Serving, app: Manifest, clone: Clone) -> None:
    clone.commit()
    push(clone, server, app)
    other = clone.clone("other")
    other.commit()
    push(other, server, app)
    clone.commit()
    done = clone.git("push", "--atomic", server.url(name_of(app)), "main:main", "main:side", ok=False)
    assert "rejected" in done.err
    assert "side" not in clone.git("ls-remote", server.url(name_of(app)), ok=True).out


def test_a_push_above_one_mebibyte_comes_in_chunks(server: Serving, app: Manifest, clone: Clone) -> None:
    clone.commit("Big", Dockerfile="FROM scratch\n", blob=os.urandom(5 * 2**20))
    push(clone, server, app)
    assert fsck(server.repository(app)) == ""
    assert len(server.cluster.builds(name_of(app))) == 1


def metrics(server: Serving) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.health_port}/metrics") as answer:
        return str(answer.read().decode())


def test_a_pusher_who_leaves_in_the_middle_of_the_progress_changes_nothing(
    server: Serving, app: Manifest, clone: Clone
) -> None:
    commit = clone.commit()
    server.cluster.switch("endless-progress")
    try:
        pusher = subprocess.Popen(
            [*clone.command(), "push", server.url(name_of(app)), "main"],
            cwd=clone.path,
            env=clone.env(),
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        wait_for((server.cluster.root / f"following-{name_of(app)}-1").exists, "the build is followed")
        os.killpg(pusher.pid, signal.SIGKILL)
        pusher.communicate()
        # the build says nothing more, and nobody is left who holds a place to hear it
        wait_for(lambda: "paas_push_running 0.0" in metrics(server), "the push has ended", seconds=5)
        # the next push is not held up by the first's progress
        second = clone.commit()
    finally:
        server.cluster.switch("endless-progress", on=False)
    push(clone, server, app)
    assert server.cluster.commits(name_of(app)) == [commit, second]


def test_a_push_is_stored_when_the_cluster_does_not_answer_and_built_when_it_does(
    own_server: Serving, clone: Clone
) -> None:
    server, app = own_server, own_server.cluster.add_config("shop")
    first = clone.commit()
    push(clone, server, app)
    second = clone.commit()
    # the cluster goes away between the acceptance of the push and its build
    server.cluster.switch("unreachable-for-builds")
    pusher = subprocess.Popen(
        [*clone.command(), "push", server.url("shop"), "main"],
        cwd=clone.path,
        env=clone.env(),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert pusher.stderr is not None
    told = ""
    while "Your push is stored" not in told:
        line = pusher.stderr.readline()
        assert line, told
        told += line
    assert second in reflog(server, app)
    assert server.cluster.commits("shop") == [first]
    server.cluster.switch("unreachable-for-builds", on=False)
    told += pusher.communicate(timeout=60)[1]
    assert "Build shop-2 queued" in told
    assert pusher.returncode == 0
    assert server.cluster.commits("shop") == [first, second]


def reflog(server: Serving, app: Manifest) -> str:
    return (server.repository(app) / "logs/refs/heads/main").read_text()


def test_a_build_that_is_refused_is_explained(server: Serving, app: Manifest, clone: Clone) -> None:
    clone.commit()
    server.cluster.switch("refuse")
    try:
        assert " !     buildconfig is paused" in push(clone, server, app)
    finally:
        server.cluster.switch("refuse", on=False)
    assert server.cluster.builds(name_of(app)) == []


def test_a_stopping_server_hands_the_pusher_over(own_server: Serving, clone: Clone) -> None:
    server, app = own_server, own_server.cluster.add_config("shop")
    clone.commit()
    server.cluster.switch("endless-progress")
    told: list[str] = []
    pusher = threading.Thread(target=lambda: told.append(push(clone, server, app)))
    pusher.start()
    wait_for((server.cluster.root / "following-shop-1").exists, "the build is followed")
    server.stop()
    pusher.join(60)
    assert "restarting" in told[0]
    assert "Still running" in told[0]
    assert "paas logs -f build/shop-1" in told[0]
    assert "main -> main" in told[0]


def test_a_clone_sees_only_branches_and_tags(server: Serving, app: Manifest, clone: Clone) -> None:
    clone.commit()
    push(clone, server, app)
    refs = clone.git("ls-remote", server.url(name_of(app)), ok=True).out
    assert "refs/heads/main" in refs
    assert "refs/paas" not in refs


def test_protocol_version_2_and_shallow_clones(
    server: Serving, app: Manifest, clone: Clone, tmp_path: Path
) -> None:
    for _ in range(3):
        clone.commit()
    push(clone, server, app)
    target = tmp_path / "shallow"
    done = clone.git(
        "-c", "protocol.version=2", "clone", "--depth=1", server.url(name_of(app)), str(target),
        ok=True, GIT_TRACE_PACKET="1",
    )  # fmt: skip
    assert "version 2" in done.err
    assert "ref-prefix" in done.err
    shallow = Clone(target)
    assert shallow.git("rev-list", "--count", "HEAD", ok=True).out.strip() == "1"
    commit = shallow.commit()
    push(shallow, server, app)
    assert server.cluster.commits(name_of(app))[-1] == commit
    done = clone.git(
        "-c", "protocol.version=0", "clone", server.url(name_of(app)), str(tmp_path / "old"), ok=True
    )
    assert fsck(server.repository(app)) == ""


def test_an_empty_repository_can_be_cloned(
    server: Serving, app: Manifest, clone: Clone, tmp_path: Path
) -> None:
    done = clone.git("clone", server.url(name_of(app)), str(tmp_path / "empty"), ok=True)
    assert "empty repository" in done.err


def test_thirty_two_racing_pushes(server: Serving, app: Manifest, clone: Clone, tmp_path: Path) -> None:
    """R10, C1: every acknowledged commit is in the history, and every loser is told with exit 1."""
    base = clone.commit()
    push(clone, server, app)
    racers = []
    for number in range(32):
        racer = clone.clone(f"racer-{number}")
        racer.commit(f"Racer {number}")
        racers.append(racer)
    pushing = [
        subprocess.Popen(
            [*racer.command(), "push", server.url(name_of(app)), "main"],
            cwd=racer.path,
            env=racer.env(),
            stderr=subprocess.PIPE,
        )
        for racer in racers
    ]
    results = [(process.communicate(timeout=120)[1].decode(), process.returncode) for process in pushing]
    winners = [racer.head() for racer, (_, code) in zip(racers, results, strict=True) if code == 0]
    moved = [line.split()[1] for line in reflog(server, app).splitlines()]
    assert moved == [base, *winners]  # all racers have the same parent, so one can win
    assert len(winners) == 1
    for told, code in results:
        assert code in (0, 1)
        assert code == 0 or "rejected" in told
    assert server.cluster.commits(name_of(app)) == moved
    assert fsck(server.repository(app)) == ""


def test_racing_pushes_to_different_branches_all_win(server: Serving, app: Manifest, clone: Clone) -> None:
    clone.commit()
    push(clone, server, app)
    pushing = [
        subprocess.Popen(
            [*clone.command(), "push", "-q", server.url(name_of(app)), f"main:branch-{number}"],
            cwd=clone.path,
            env=clone.env(),
            stderr=subprocess.DEVNULL,
        )
        for number in range(16)
    ]
    assert [process.wait(60) for process in pushing] == [0] * 16
    refs = clone.git("ls-remote", "--heads", server.url(name_of(app)), ok=True).out
    assert refs.count("refs/heads/branch-") == 16


def test_histories_with_old_flaws_are_taken(server: Serving, app: Manifest, clone: Clone) -> None:
    """Git works with them, in old histories and in those that other programs wrote; so do we."""
    clone.commit()
    tree = clone.git("rev-parse", "HEAD^{tree}", ok=True).out.strip()
    commits = []
    for who in (
        "author Old <old@example.com> 1000000000 +51800\ncommitter Old <o@e> 1 +0000\n",
        "author Old <old@example.com> 1 UTC\ncommitter Old\n",
        "author Old<old@example.com>1 +0000\n",
        "",
    ):
        (clone.path / "raw").write_text(f"tree {tree}\n{who}\nOld {len(who)}\n")
        made = clone.git("hash-object", "-t", "commit", "-w", "--literally", "raw", ok=True)
        commits.append(made.out.strip())
        push(clone, server, app, f"+{commits[-1]}:refs/heads/main")
    assert server.cluster.commits(name_of(app)) == commits
    builds = server.cluster.builds(name_of(app))
    assert [build["spec"]["invalid"] for build in builds] == [None] * len(commits)


def test_a_repository_is_one_application_s_alone(server: Serving, clone: Clone) -> None:
    """An application made again under the same name starts with an empty repository."""
    app = server.cluster.add_config("reborn")
    clone.commit()
    push(clone, server, app)
    server.cluster.remove_config("reborn")
    server.cluster.add_config("reborn")
    assert clone.git("ls-remote", server.url("reborn"), ok=True).out == ""
