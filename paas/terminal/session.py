"""One run of a command: which cluster and project, and where words go.

`command` makes a typer command of a coroutine whose first parameter is the Session; it adds the options
that kubectl has on every command (-n, --context, --kubeconfig), runs the coroutine, and closes the
connection. Data goes to stdout by `print`, progress to stderr by `say`; a terminal gets nothing that it would
obey.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final, ParamSpec

import typer

from paas.api.names import SYSTEM_NAMESPACE
from paas.api.resources import CONFIGMAP, NAMESPACE, Key
from paas.terminal.colour import wanted
from paas.terminal.group import Command
from paas.terminal.output import Format, Table, plain, visible
from paas.terminal.problem import ExitCode, Problem, not_found

if TYPE_CHECKING:
    from paas.kube.cluster import Cluster

P = ParamSpec("P")

MANAGER = "paas-cli"
"""Field manager of what people write by the command line."""

_PANEL = "Cluster"
Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", metavar="PROJECT", help="Project to work in.", rich_help_panel=_PANEL),
]
Context = Annotated[
    str | None, typer.Option("--context", help="Context of the kubeconfig to use.", rich_help_panel=_PANEL)
]
Kubeconfig = Annotated[
    Path | None,
    typer.Option("--kubeconfig", help="Kubeconfig file; default $KUBECONFIG.", rich_help_panel=_PANEL),
]
CONNECTION: Final[dict[str, Any]] = {
    "namespace": Namespace, "context": Context, "kubeconfig": Kubeconfig,
}  # fmt: skip
"""The options that say where to work; every command that asks a cluster has them."""
Output = Annotated[Format, typer.Option("--output", "-o", help="How to print.")]


@dataclass(frozen=True)
class Platform:
    """ConfigMap `paas-system/paas-info`: what a client must know of the platform."""

    url: str
    """https URL of the server, without a slash at the end."""
    ca: str
    """PEM of the platform's CA."""
    domain: str
    https_port: int
    http_port: int

    def repository(self, project: str, name: str) -> str:
        """URL of the git repository of a BuildConfig."""
        return f"{self.url}/git/{project}/{name}.git"


@dataclass
class Session:
    """`namespace`, `context` and `kubeconfig` are what the command line gave, or None."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: Path | None = None
    goes_on: Problem | None = None
    """What a person who interrupts the command is told; see `interrupted`."""
    _cluster: Cluster | None = field(default=None, repr=False)
    _platform: Platform | None = field(default=None, repr=False)

    async def cluster(self) -> Cluster:
        """The connection, made when first asked for."""
        if self._cluster is None:
            from paas.terminal.rest import connect

            self._cluster = await connect(self.kubeconfig, context=self.context)
        return self._cluster

    async def project(self) -> str:
        """The namespace of -n, else of the kubeconfig's context."""
        return self.namespace or (await self.cluster()).namespace

    async def must_exist(self, project: str) -> None:
        """For what found nothing in a project: raise Problem when there is no such project either."""
        from paas.kube.errors import ApiError

        try:
            found = await (await self.cluster()).get(NAMESPACE, Key("", project))
        except ApiError:
            return  # it is not ours to see
        if found is None:
            raise not_found("project", project, hint=f"paas get projects, or: paas new-project {project}")

    async def platform(self) -> Platform:
        """Where the platform is. Raises Problem when the cluster has none."""
        if self._platform is None:
            found = await (await self.cluster()).get(CONFIGMAP, Key(SYSTEM_NAMESPACE, "paas-info"))
            data = (found or {}).get("data") or {}
            if not data.get("url"):
                raise Problem(
                    "the platform is not installed on this cluster",
                    why=f"no ConfigMap paas-info in namespace {SYSTEM_NAMESPACE}",
                    hint="paas install, or choose another cluster with --context",
                )
            self._platform = Platform(
                url=data["url"].rstrip("/"),
                ca=data.get("ca.crt", ""),
                domain=data.get("domain", ""),
                https_port=int(data.get("https-port", 443)),
                http_port=int(data.get("http-port", 80)),
            )
        return self._platform

    async def user(self) -> str | None:
        """The name that the API server knows us by, or None when it does not say."""
        from paas.kube.errors import ApiError

        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            answer = await (await self.cluster()).request(
                "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=body
            )
        except ApiError:
            return None
        return str(answer["status"]["userInfo"]["username"])

    async def close(self) -> None:
        if self._cluster is not None:
            await self._cluster.close()

    def print(self, text: str = "") -> None:
        """One line (or several) of data."""
        self.write(text + "\n")

    def write(self, text: str) -> None:
        """Data without the end of a line: as it is, but on a terminal without control characters."""
        _out(visible(text) if sys.stdout.isatty() else text)

    def show(
        self, table: Table, *, wide: bool = False, headings: bool = True, widths: list[int] | None = None
    ) -> None:
        """A table of data, in colour on a terminal; `widths` are those of the rows before."""
        colours = wanted(sys.stdout, os.environ)
        for line in table.lines(wide=wide, headings=headings, colours=colours, widths=widths):
            _out(line + "\n")  # a table has no control characters but for its colours

    def say(self, text: str = "") -> None:
        """One line of progress; it is for people, so it is plain."""
        sys.stderr.write(plain(text) + "\n")
        sys.stderr.flush()


def _out(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def interrupted(what: str = "", hint: str = "") -> Problem:
    """What a person is told who interrupts a command: `what` goes on without it, and what to type next.
    Nothing where an interruption is how the command ends."""
    return Problem("interrupted" if what else "", why=what, hint=hint, code=ExitCode.INTERRUPTED)


async def _with_session(session: Session, work: Coroutine[Any, Any, ExitCode | None]) -> ExitCode | None:
    try:
        return await work
    finally:
        await session.close()


def _run(session: Session, work: Coroutine[Any, Any, ExitCode | None]) -> ExitCode | None:
    """Run a command to its end. Raises Problem when a person interrupts it, with what goes on."""
    try:
        return asyncio.run(_with_session(session, work))
    except KeyboardInterrupt:
        # typer would end the process without a word
        raise session.goes_on or Problem("interrupted", code=ExitCode.INTERRUPTED) from None


def command(
    app: typer.Typer, name: str, **settings: Any
) -> Callable[
    [Callable[Concatenate[Session, P], Coroutine[Any, Any, ExitCode | None]]],
    Callable[Concatenate[Session, P], Coroutine[Any, Any, ExitCode | None]],
]:
    """Decorator: register the coroutine as command `name` of `app`, with the connection's options.

    The coroutine may return an ExitCode; None is 0. It stays callable as it is.
    """

    def register(
        work: Callable[Concatenate[Session, P], Coroutine[Any, Any, ExitCode | None]],
    ) -> Callable[Concatenate[Session, P], Coroutine[Any, Any, ExitCode | None]]:
        own = list(inspect.signature(work, eval_str=True).parameters.values())[1:]
        shared = [
            inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for option, annotation in CONNECTION.items()
        ]
        shared.append(inspect.Parameter("called", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))

        def run(**given: Any) -> None:
            # what was given before the command holds, unless it is given again after it
            before = given.pop("called").find_root().params
            session = Session(*(given.pop(option) or before.get(option) for option in CONNECTION))
            code = _run(session, work(session, **given))  # type: ignore[call-arg]
            if code:
                raise typer.Exit(int(code))

        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + shared
        )
        run.__annotations__ = {}
        run.__doc__ = work.__doc__
        app.command(name, **{"cls": Command, **settings})(run)
        return work

    return register
