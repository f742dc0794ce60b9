"""All kinds of the platform, and the files in crds/ that are generated from them.

python -m paas.api           write crds/*.yaml
python -m paas.api --check   exit 1 when a file is not what the models say
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import yaml

from paas.api.crds import crd
from paas.api.kinds import KINDS
from paas.api.resources import Manifest
from paas.shipped import shipped

HEADER: Final = "# Generated from the models by `make crds`; edit those.\n"


class _Plain(yaml.SafeDumper):
    """Writes equal parts out instead of referring to them: the files are there to be read."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def crds() -> list[Manifest]:
    """The CustomResourceDefinitions of all kinds."""
    return [crd(kind) for kind in KINDS]


def files() -> dict[str, str]:
    """Name and content of each file in crds/."""
    written = {
        f"{manifest['spec']['names']['plural']}.yaml": HEADER
        + yaml.dump(manifest, Dumper=_Plain, sort_keys=False, width=110, allow_unicode=True)
        for manifest in crds()
    }
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(written),
    }
    return written | {"kustomization.yaml": HEADER + yaml.safe_dump(kustomization, sort_keys=False)}


def main(argv: list[str]) -> int:
    folder = shipped("crds")
    wanted = files()
    stale = [name for name, text in wanted.items() if _read(folder / name) != text]
    stale += [path.name for path in folder.glob("*.yaml") if path.name not in wanted]
    if "--check" in argv:
        for name in stale:
            print(f"crds/{name} is not what the models say; run `make crds`", file=sys.stderr)
        return 1 if stale else 0
    folder.mkdir(exist_ok=True)
    for name in stale:
        if name in wanted:
            (folder / name).write_text(wanted[name])
        else:
            (folder / name).unlink()
        print(f"crds/{name}")
    return 0


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
