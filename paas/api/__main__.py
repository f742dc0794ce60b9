"""The files that are generated from the kinds: crds/ for the API server, docs/reference/ for people.

python -m paas.api           write what is not as the models say
python -m paas.api --check   exit 1 when a file is not as the models say, and name it
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import yaml

from paas.api import reference
from paas.api.crds import crd
from paas.api.kinds import KINDS
from paas.api.resources import Manifest
from paas.shipped import PACKAGE

HEADER: Final = "# Generated from the models by `make crds`; edit those.\n"
CRDS, REFERENCE = "crds", "docs/reference"


class _Plain(yaml.SafeDumper):
    """Writes equal parts out instead of referring to them: the files are there to be read."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def crds() -> list[Manifest]:
    """The CustomResourceDefinitions of all kinds."""
    return [crd(kind) for kind in KINDS]


def files() -> dict[str, str]:
    """Path below the checkout, and content, of each generated file."""
    manifests = {
        f"{CRDS}/{manifest['spec']['names']['plural']}.yaml": HEADER
        + yaml.dump(manifest, Dumper=_Plain, sort_keys=False, width=110, allow_unicode=True)
        for manifest in crds()
    }
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(path.removeprefix(f"{CRDS}/") for path in manifests),
    }
    manifests[f"{CRDS}/kustomization.yaml"] = HEADER + yaml.safe_dump(kustomization, sort_keys=False)
    pages = {f"{REFERENCE}/{kind.singular}.md": reference.page(kind) for kind in KINDS}
    return manifests | pages | {f"{REFERENCE}/README.md": reference.index(KINDS)}


def stale(top: Path) -> list[str]:
    """The paths below `top` whose file is missing, differs, or belongs to no kind."""
    wanted = files()
    there = [*(top / CRDS).glob("*.yaml"), *(top / REFERENCE).glob("*.md")]
    differing = [path for path, text in wanted.items() if _read(top / path) != text]
    return differing + [path for each in there if (path := str(each.relative_to(top))) not in wanted]


def write(top: Path) -> list[str]:
    """Bring the files below `top` to what the models say; returns the paths that changed."""
    wanted, changed = files(), stale(top)
    for path in changed:
        if path in wanted:
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_text(wanted[path])
        else:
            (top / path).unlink()
    return changed


def main(argv: list[str]) -> int:
    """Check or write; see the module."""
    top = PACKAGE.parent
    if "--check" not in argv:
        for path in write(top):
            print(path)
        return 0
    differing = stale(top)
    for path in differing:
        print(f"{path} is not what the models say; run `make crds`", file=sys.stderr)
    return 1 if differing else 0


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
