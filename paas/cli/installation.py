"""`paas install` and `paas uninstall`, and the installer that `paas up` is given.

Both apply the same manifests (`apps.install`) and differ only in where settings and keys come from: an
embedded cluster has its own, any other is described by a file.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paas.terminal.output import plain
from paas.terminal.problem import Problem, usage

if TYPE_CHECKING:
    from paas.apps.install import Keys
    from paas.kube.settings import Settings
    from paas.node.platform import Installation

KEYS = ("caCert", "caKey", "registryTokenKey")


def register(app: typer.Typer) -> None:
    """Add up, down, kubeconfig, doctor, install and uninstall."""
    from paas.node import cli as node

    node.register(app, install=_of_embedded)

    @app.command("install")
    def install(
        config: Annotated[Path, typer.Option("--config", help="YAML: settings, and paths of the keys.")],
    ) -> None:
        """Install the platform on the cluster of the kubeconfig, or bring it to this version.

        Example: paas install --config paas.yaml
        """
        settings, keys = read(config)
        asyncio.run(_install(None, settings, keys))
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

    from paas.apps.install import Keys
    from paas.kube.settings import Settings

    try:
        given = yaml.safe_load(path.read_text()) or {}
        missing = [name for name in KEYS if name not in given]
        if missing:
            raise usage(
                f"{path} does not name {', '.join(missing)}", hint="docs/quickstart.md has an example"
            )
        texts = [(path.parent / given[name]).read_text() for name in KEYS]
        return Settings.model_validate(given.get("settings") or {}), Keys(*texts)
    except OSError as problem:
        raise usage(
            f"cannot read {problem.filename}: {problem.strerror}", hint="docs/quickstart.md"
        ) from problem
    except (yaml.YAMLError, ValidationError) as problem:
        raise usage(f"{path} is not a valid installation: {problem}", hint="docs/quickstart.md") from problem


def _of_embedded(installation: Installation, *, say: object) -> None:
    from paas.apps.install import Keys

    keys = Keys(installation.ca_cert, installation.ca_key, installation.registry_token_key)
    asyncio.run(_install(installation.kubeconfig, installation.settings, keys))


async def _install(kubeconfig: Path | None, settings: Settings, keys: Keys) -> None:
    from paas.apps.install import InstallFailed, install
    from paas.kube.cluster import Cluster

    async with await Cluster.connect(kubeconfig) as cluster:
        try:
            await install(cluster, settings, keys, say=_say)
        except InstallFailed as problem:
            raise Problem("the platform is not installed", why=str(problem), hint="paas doctor") from problem


async def _uninstall() -> None:
    from paas.apps.install import InstallFailed, uninstall
    from paas.kube.cluster import Cluster

    async with await Cluster.connect() as cluster:
        try:
            await uninstall(cluster, say=_say)
        except InstallFailed as problem:
            raise Problem("the platform is not removed", why=str(problem), hint="paas status -A") from problem


def _say(line: str) -> None:
    sys.stderr.write(plain(line) + "\n")
