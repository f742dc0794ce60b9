"""Problems a person sees: what happened, why, and what to type next; and the exit code they end with.

Every failure of a command becomes a `Problem`. `explain` turns the exceptions of the API server's door
into one, so commands need not catch them; what it does not know is a defect of ours and says so.
"""

from __future__ import annotations

from enum import IntEnum

from paas.kube import errors
from paas.terminal.not_allowed import hint_of, lacking
from paas.terminal.output import plain


class ExitCode(IntEnum):
    """Exit codes of every command (docs/cli.md)."""

    OK = 0
    FAILED = 1  # the operation failed: a build or rollout failed, a name is taken
    USAGE = 2  # the command line is wrong
    NOT_FOUND = 3
    NOT_ALLOWED = 4  # not authenticated, or not authorised
    TIMEOUT = 124
    INTERRUPTED = 130


class Problem(Exception):
    """`what` happened, `why` if known, `hint` is the next command (or step), `code` the exit code."""

    def __init__(self, what: str, *, why: str = "", hint: str = "", code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(what)
        self.what, self.why, self.hint, self.code = what, why, hint, code

    def lines(self, *, error: str = "error:") -> list[str]:
        """`error: what (why)` and `hint: next`, each on a line of its own; none when nothing happened.
        Nothing that a terminal would obey is left in them; a colour comes only with `error`. What others
        wrote may have several lines: those after the first are quoted, so that none looks like a hint."""
        first = _quoted(self.what + (f" ({self.why})" if self.why else ""))
        return ([f"{error} {first}"] if self.what else []) + (
            [_quoted(f"hint: {self.hint}")] if self.hint else []
        )


def _quoted(text: str) -> str:
    return "\n".join(plain(text).strip().splitlines()).replace("\n", "\n     | ")


def usage(what: str, *, why: str = "", hint: str = "") -> Problem:
    """The command line is wrong."""
    return Problem(what, why=why, hint=hint, code=ExitCode.USAGE)


def not_found(kind: str, name: str, namespace: str = "", *, hint: str = "") -> Problem:
    """`kind "name" not found (project "namespace")`."""
    where = f'in project "{namespace}"' if namespace else ""
    return Problem(f'{kind} "{name}" not found', why=where, hint=hint, code=ExitCode.NOT_FOUND)


def not_allowed(message: str) -> Problem:
    """What the API server's refusal `message` means: which right is lacking, or which rule forbids it."""
    right = lacking(message)
    if right is None:
        quota = "exceeded quota" in message
        return Problem(
            "a quota of the project is used up" if quota else "a rule of the cluster forbids it",
            why=message,
            hint="kubectl describe quota shows it; free some of it or ask an administrator for more"
            if quota
            else "change what is named there, or ask an administrator of the cluster for an exception",
            code=ExitCode.NOT_ALLOWED,
        )
    return Problem(str(right), why=message, hint=hint_of(right), code=ExitCode.NOT_ALLOWED)


def explain(problem: BaseException) -> Problem:
    """The Problem that an exception means to a person."""
    if isinstance(problem, Problem):
        return problem
    match problem:
        case errors.ClusterUnreachable():
            return Problem(
                "the cluster cannot be reached",
                why=str(problem),
                hint="paas doctor, or check KUBECONFIG and --context",
            )
        case errors.Unauthorized():
            return Problem(
                "the cluster does not accept your credentials",
                why=problem.message,
                hint="log in again, or take another context: kubectl config get-contexts",
                code=ExitCode.NOT_ALLOWED,
            )
        case errors.DeniedByPolicy():
            return Problem(
                "a policy of the cluster does not allow it",
                why=problem.words,
                hint="change what is named there, or ask an administrator for an exception",
                code=ExitCode.NOT_ALLOWED,
            )
        case errors.Forbidden():
            return not_allowed(problem.message)
        case errors.NotFound() if (
            "page not found" in problem.message or "requested resource" in problem.message
        ):
            return Problem(
                "this cluster does not know the kind",
                why="the platform is not installed on it",
                hint="paas install, or choose another cluster with --context",
                code=ExitCode.NOT_FOUND,
            )
        case errors.NotFound():
            return Problem("not found", why=problem.message, hint="paas get all", code=ExitCode.NOT_FOUND)
        case errors.AlreadyExists():
            return Problem("it exists already", why=problem.message, hint="paas get all")
        case errors.Conflict():
            return Problem(
                "somebody else changed the object at the same time", why=problem.message, hint="try again"
            )
        case errors.NotUnicode():
            return Problem(
                "nothing was sent, since a text is not valid UTF-8",
                why=problem.path,
                hint="give it in UTF-8: the command locale says what this terminal writes",
                code=ExitCode.USAGE,
            )
        case errors.Invalid():
            return Problem(
                "the cluster refused the object as invalid",
                why=problem.message,
                hint="correct the named field",
            )
        case errors.ApiError() if problem.status == 400:
            return Problem(
                "the cluster refused the request",
                why=problem.message,
                hint="correct what is named there, for instance a selector; --help has examples",
            )
        case errors.ApiError():
            return Problem(
                f"the cluster answered {problem.status}",
                why=problem.message,
                hint="try again; paas doctor checks the cluster",
            )
        case TimeoutError():
            return Problem("the time is up", why=str(problem), hint="paas status", code=ExitCode.TIMEOUT)
        case KeyboardInterrupt():
            return Problem("interrupted", code=ExitCode.INTERRUPTED)
        case _:
            return Problem(
                f"unexpected {type(problem).__name__}",
                why=str(problem) or "no message",
                hint="run it again with PAAS_DEBUG=1 to see where",
            )
