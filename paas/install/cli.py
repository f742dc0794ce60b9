"""`paas install` and `paas uninstall`: the platform on a cluster that is described by a file.

`paas up` applies the same manifests (`install.manifests`) by the same function; its settings and keys come
from the embedded cluster.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paas.shipped import page
from paas.terminal.output import plain
from paas.terminal.problem import Problem, usage

if TYPE_CHECKING:
    from paas.install.manifests import Keys
    from paas.settings import Settings

KEYS = ("caCert", "caKey", "registryTokenKey")
_EXAMPLE = f"an example is in {page('quickstart.md')}"


def register(app: typer.Typer) -> None:
    """Add install and uninstall."""

    @app.command("install")
    def install(
        config: Annotated[Path, typer.Option("--config", help="YAML: settings, and paths of the keys.")],
    ) -> None:
        """Install the platform on the cluster of the kubeconfig, or bring it to this version.

        Example: paas install --config paas.yaml
        """
        settings, keys = read(config)
        asyncio.run(install_on(None, settings, keys))
        _say(f"The platform is installed: {settings.external_url(settings.server_host)}")
        _say("Next: paas new-project NAME")

    @app.command("uninstall")
    def uninstall() -> None:
        """Remove the platform from the cluster of the kubeconfig; refuses while applications exist.

        Example: paas uninstall
        """
        asyncio.run(_uninstall())
        _say("The platform is removed. Projects and their namespaces are still there")


def read(path: Path) -> tuple[Settings, Keys]:
    """Settings and keys of an installation file; paths in it are relative to it.

    Raises Problem naming what is missing or wrong.
    """
    import yaml
    from pydantic import ValidationError

    from paas.install.manifests import Keys
    from paas.settings import Settings

    try:
        given = yaml.safe_load(path.read_text()) or {}
        missing = [name for name in KEYS if name not in given]
        if missing:
            raise usage(f"{path} does not name {', '.join(missing)}", hint=_EXAMPLE)
        texts = [(path.parent / given[name]).read_text() for name in KEYS]
        return Settings.model_validate(given.get("settings") or {}), Keys(*texts)
    except OSError as problem:
        raise usage(f"cannot read {problem.filename}: {problem.strerror}", hint=_EXAMPLE) from problem
    except (yaml.YAMLError, ValidationError) as problem:
        raise usage(f"{path} is not a valid installation: {problem}", hint=_EXAMPLE) from problem


async def install_on(kubeconfig: Path | None, settings: Settings, keys: Keys) -> None:
    """Install on the cluster of this kubeconfig (None: the current one). Raises Problem."""
    from paas.install.apply import InstallFailed, install
    from paas.terminal.rest import connect

    async with await connect(kubeconfig) as cluster:
        try:
            await install(cluster, settings, keys, say=_say)
        except InstallFailed as problem:
            raise Problem("the platform is not installed", why=str(problem), hint="paas doctor") from problem


async def _uninstall() -> None:
    from paas.install.apply import InstallFailed, uninstall
    from paas.terminal.rest import connect

    async with await connect(None) as cluster:
        try:
            await uninstall(cluster, say=_say)
        except InstallFailed as problem:
            raise Problem("the platform is not removed", why=str(problem), hint="paas status -A") from problem


def _say(line: str) -> None:
    sys.stderr.write(plain(line) + "\n")
