"""Commands about embedded clusters: up, down, kubeconfig, doctor.

`register` gets the platform's installer from the command line's assembly, because installing is another
room's business.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paas.terminal.output import plain
from paas.terminal.problem import ExitCode, Problem, not_found

if TYPE_CHECKING:
    from paas.node.platform import Install
    from paas.node.spec import Instance

Name = Annotated[str, typer.Option("--name", help="Which instance; several run side by side.")]


def register(app: typer.Typer, *, install: Install | None = None) -> None:
    """Add the commands; without `install` every instance is a bare one."""

    @app.command("up")
    def up(
        name: Name = "default",
        http_port: Annotated[
            int | None, typer.Option(min=1, max=65535, help="Port of http on 127.0.0.1. [8080]")
        ] = None,
        https_port: Annotated[
            int | None, typer.Option(min=1, max=65535, help="Port of https on 127.0.0.1. [8443]")
        ] = None,
        api_port: Annotated[
            int | None, typer.Option(min=1, max=65535, help="Port of the Kubernetes API on 127.0.0.1. [6443]")
        ] = None,
        bare: Annotated[
            bool, typer.Option("--bare", help="A cluster without the platform, to `paas install` on.")
        ] = False,
        settings: Annotated[
            Path | None,
            typer.Option(
                help="YAML: settings of the platform that differ. Remembered; an empty file forgets."
            ),
        ] = None,
    ) -> None:
        """Bring up a cluster with the platform on this machine, or bring it to this version.

        Example: paas up
        """
        from paas.node import bringup
        from paas.node.settings import read

        began = time.monotonic()
        options = bringup.UpOptions(
            name=name,
            http_port=http_port,
            https_port=https_port,
            api_port=api_port,
            bare=bare,
            settings=None if settings is None else read(settings),
        )
        spec = bringup.up(options, install=None if bare else install, progress=_say)
        _say(f"The cluster '{name}' is up after {time.monotonic() - began:.0f} s")
        _say(_next(spec, bare=bare or install is None))

    @app.command("down")
    def down(
        name: Name = "default",
        purge: Annotated[
            bool, typer.Option("--purge", help="Remove its data, too: nothing can come back.")
        ] = False,
    ) -> None:
        """Stop the cluster; the next `paas up` brings its applications back.

        Example: paas down
        """
        from paas.node import bringup

        did = bringup.down(name, purge=purge, progress=_say)
        _say(
            f"The cluster '{name}' is {'removed' if purge else 'down'}"
            if did
            else f"There is no cluster '{name}'"
        )

    @app.command("kubeconfig")
    def kubeconfig(
        name: Name = "default",
        kubectl: Annotated[
            bool, typer.Option("--kubectl", help="Path of the cluster's kubectl instead.")
        ] = False,
        raw: Annotated[bool, typer.Option("--raw", help="The content instead of the path.")] = False,
    ) -> None:
        """Print the path of the administrator's kubeconfig.

        Example: export KUBECONFIG=$(paas kubeconfig)
        """
        from paas.node import instance

        spec = instance.load(name)
        if spec is None:
            raise not_found("cluster", name, hint=_others(name))
        if kubectl:
            print(spec.state / "bin" / "kubectl")
        elif raw:
            print(spec.kubeconfig.read_text(), end="")
        else:
            print(spec.kubeconfig)

    @app.command("doctor")
    def doctor(name: Name = "default") -> None:
        """Say what this machine lacks for a cluster, and how to fix it.

        Example: paas doctor
        """
        from paas.node import bringup, instance
        from paas.node import doctor as examination

        spec = instance.load(name) if sys.platform == "linux" else None
        running = spec is not None and instance.alive(spec) is not None
        ports = (
            []
            if running
            else [getattr(spec, field, default) for field, default in bringup.DEFAULT_PORTS.items()]
        )
        findings = examination.examine(examination.gather(ports))
        for finding in findings:
            print(f"{'missing' if finding.blocking else 'note'}: {finding.what}\n   fix: {finding.fix}")
        if spec is not None and running:
            for line in _processes(spec):
                print(line)
        if not findings:
            print("Nothing is missing on this machine" + ("" if running else ": run `paas up`"))
        if any(finding.blocking for finding in findings):
            raise typer.Exit(int(ExitCode.FAILED))


def _processes(spec: Instance) -> list[str]:
    from paas.node import instance

    status = instance.read_status(spec)
    lines = [f"cluster '{spec.name}': {status.get('phase', 'unknown')}, state in {spec.state}"]
    for process, known in status.get("processes", {}).items():
        if known["state"] not in ("ready", "done") or known["restarts"]:
            lines.append(
                f"   {process}: {known['state']}, restarted {known['restarts']} times; "
                f"log: {spec.logs / process}.log"
            )
    return lines


def _next(spec: Instance, *, bare: bool) -> str:
    flag = "" if spec.name == "default" else f" --name {spec.name}"
    lines = [f"   export KUBECONFIG=$(paas kubeconfig{flag})"]
    if bare:
        lines.append(f"   next: paas install --config {spec.installation}")
    else:
        lines.append(
            f"   https://paas.{spec.domain}:{spec.https_port} is the platform; "
            f"its CA is {spec.state / 'platform-ca.crt'}"
        )
        lines.append("   next: paas new-project demo, then paas new-app in a directory with your source")
    return "\n".join(lines)


def _others(name: str) -> str:
    from paas.node import instance

    known = instance.names()
    return f"paas up --name {name}" + (f", or one of: {', '.join(known)}" if known else "")


def _say(line: str) -> None:
    for part in line.splitlines():
        sys.stderr.write(plain(part) + "\n")
    sys.stderr.flush()


def main() -> int:
    """The commands by themselves: `python -m paas.node.cli`, for bare instances."""
    app = typer.Typer(no_args_is_help=True, add_completion=False)
    register(app)
    try:
        app(standalone_mode=False)
    except Problem as problem:
        print("\n".join(problem.lines()), file=sys.stderr)
        return int(problem.code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
