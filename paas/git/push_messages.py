"""What a pusher reads about a push, before its Build is followed: the only place of the receive path that
makes words. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

from paas.api.build_request import BuildRequest
from paas.api.names import SERVICE_ACCOUNT_PUSHER
from paas.api.resources import Key
from paas.git.push import Built, Gone, NotBuilt, Outcome, Stored, Unchanged
from paas.git.quota import OverQuota
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.source.tree import shown
from paas.terminal.naming import ACCOUNT_PREFIX, user_text
from paas.terminal.progress_lines import detail, problem, step


def outcome(key: Key, what: Outcome) -> list[str]:
    """What became of one branch of a push to the repository of `key`."""
    match what:
        case Unchanged():
            return []
        case Stored():
            branch, deploying = shown(what.branch), shown(what.deploying)
            return [
                step(f"Stored {branch}; no build, because {branch} does not deploy: {deploying} does"),
                detail(f"To deploy these commits: git push paas {shlex.quote(f'{branch}:{deploying}')}"),
                detail(
                    f"To let {branch} deploy instead: set spec.source.git.ref of the BuildConfig to {branch}"
                ),
            ]
        case Built(_, request, found, build):
            if request.invalid is not None:
                return [_received(request), *problem_lines(request.invalid.message)]
            how = found or ("Builds by its Dockerfile",)
            # before anything can cut the stream: the next push says "Everything up-to-date" and no more
            name = build["metadata"]["name"]
            rest = detail(f"Cut off? It goes on without you: paas logs -f build/{name} -n {key.namespace}")
            return [_received(request), rest, step(how[0]), *map(detail, how[1:])]
        case NotBuilt(_, refusal):
            return problem_lines(str(refusal))
        case Gone():
            return problem_lines(
                f"BuildConfig {key.name} was deleted from project {key.namespace} meanwhile; no build was "
                "made. Create it again with: paas new-app"
            )


def further(branches: int) -> list[str]:
    """Branches that were not told of one by one."""
    what = "1 further branch" if branches == 1 else f"{branches} further branches"
    return [step(f"Stored {what} that do{'es' * (branches == 1)} not deploy; no build")]


def _received(request: BuildRequest) -> str:
    """The first line: what came and from whom."""
    subject = (request.commit_message or "").strip().split("\n", 1)[0][:72]
    title = f' "{subject}"' if subject else ""
    return step(
        f"Received {shown(request.ref or '')} {(request.commit or '')[:7]}{title} ({_person(request)})"
    )


def _person(request: BuildRequest) -> str:
    """Who pushed. The account `pusher` is everybody who has a client certificate, for which git takes a
    token of this account (`paas git-credential`): then the commit's author says more."""
    author = request.author.name if request.author else ""
    shared = (request.user or "").startswith(ACCOUNT_PREFIX) and (request.user or "").endswith(
        f":{SERVICE_ACCOUNT_PUSHER}"
    )
    user = (shared and author) or request.user or author
    return user_text(user) if user else "unknown"


def problem_lines(message: str) -> list[str]:
    """A problem's text, a line each."""
    lines = [line for line in message.splitlines() if line.strip()]
    return [problem(line) for line in lines]


def deleted(branch: str, deploying: bool) -> list[str]:
    """A branch was taken away."""
    lines = [step(f"Deleted {shown(branch)}; no build")]
    if deploying:
        lines.append(detail(f"What runs goes on running; the next push to {shown(branch)} deploys again"))
    return lines


def tagged(tags: Sequence[str]) -> list[str]:
    return [step(f"Stored tag {shown(tag)}; tags do not deploy") for tag in tags[:10]]


def waiting(key: Key, why: Exception) -> list[str]:
    """The Build cannot be made at the moment."""
    stored = "Your push is stored, and its build is made as soon as"
    match why:
        case ApiError() if why.status in (401, 403):
            said = [
                f"The API server does not allow the build: {why.message}",
                f"{stored} it is allowed. A quota of the project shows with: "
                f"kubectl describe quota -n {key.namespace}",
            ]
        case ApiError() | ClusterUnreachable():
            said = [f"The cluster does not answer at the moment. {stored} the cluster answers again"]
        case _:
            # what failed is about the inside of the server: its log says it
            said = [
                f"The server cannot make the build at the moment ({type(why).__name__}). {stored} it can. "
                "An administrator sees why with: kubectl logs -n paas-system deploy/server"
            ]
    return [
        *map(problem, said),
        detail(f"You may leave; look later with: paas status {key.name} -n {key.namespace}"),
    ]


def still_running(build: str | None, key: Key) -> list[str]:
    """The pusher is told no more; the work goes on."""
    follow = f"paas logs -f build/{build} -n {key.namespace}" if build else f"paas status -n {key.namespace}"
    return [step(f"Still running; it goes on without you. Follow it with: {follow}")]


def left_out(lines: int, key: Key) -> list[str]:
    """Some lines were not read in time."""
    what = "1 line is" if lines == 1 else f"{lines} lines are"
    return [
        detail(
            f"{what} left out here, because they were not read in time; all of them: "
            f"paas logs {key.name} -n {key.namespace}"
        )
    ]


def in_line(ahead: int) -> list[str]:
    """The push has arrived, and others are worked on."""
    before = {0: "it is the next", 1: "one is before it"}.get(ahead, f"{ahead} are before it")
    return [detail(f"The server takes in other pushes at the moment; this one waits its turn: {before}")]


BUSY: Final = "the server is busy; push again in a minute"
"""Why a ref was not updated, when it was nobody's fault."""


def busy() -> list[str]:
    return problem_lines(
        "The server has more pushes to take in than it can, so nothing of this one was stored.\n"
        "Push again in a minute. An administrator can give it more memory: "
        "kubectl set resources -n paas-system deploy/server --limits=memory=4Gi"
    )


def much_kept() -> list[str]:
    return problem_lines(
        "Other pushes to this project are large and still under way, so nothing of this one was stored.\n"
        "Push again when they have ended"
    )


def over_quota(over: OverQuota, key: Key) -> list[str]:
    """The push is more than its repository or its project may have."""
    if over.of_project:
        what, setting = f"The repositories of project {key.namespace} have", "sources.projectLimitBytes"
        cure = (
            "Take large files out of the commits, or delete what is not needed: branches (git push paas "
            "--delete BRANCH), whose space comes back within minutes, or applications: theirs takes 7 days."
        )
    else:
        what, setting = f"The repository of {key} has", "sources.repositoryLimitBytes"
        cure = (
            "Take large files out of the commits, or delete branches and tags that are not needed "
            "(git push paas --delete BRANCH): their space comes back within minutes."
        )
    return problem_lines(
        f"{what} {_mib(over.has)} of the {_mib(over.limit)} that are allowed, and this push adds "
        f"{_mib(over.adds)}, so nothing of it was stored.\n{cure}\n"
        f"An administrator can raise the limit: {setting} in the platform's settings"
    )


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB" if size < 100 * 2**20 else f"{size / 2**20:,.0f} MiB"


def disk_full() -> list[str]:
    return problem_lines(
        "The disk of the platform's repositories is nearly full, so nothing of this push was stored.\n"
        "An administrator sees it with: kubectl exec -n paas-system deploy/server -- df -h"
    )


def too_much_memory() -> list[str]:
    return problem_lines(
        "git needs more memory to unpack this push than the server may use, so nothing of it was stored.\n"
        "Take very large files out of the commits (git lfs or a download in the build)"
    )


def restarting() -> list[str]:
    return [detail("The server is restarting, so you cannot watch from here any longer")]


def refusal(reason: str) -> str:
    """Why a ref was not updated: git's reason, in words for people where it speaks of its own files."""
    if reason.startswith(
        ("cannot lock ref", "failed to update ref", "failed to lock", "reference already exists")
    ):
        return "someone else pushed first; git pull --rebase, then push again"
    return reason


def too_large(limit: int) -> list[str]:
    """The push is over the limit."""
    return problem_lines(
        f"This push is larger than {limit // 2**20} MiB, so nothing of it was stored.\n"
        "Take large files out of the commits (git lfs or a download in the build), or push the history in "
        "parts: git push paas <older commit>:refs/heads/main"
    )
