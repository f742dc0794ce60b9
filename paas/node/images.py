"""Images that are made rather than pulled: pause, Kaniko, and the runtime images.

Each is an image tarball in the cache, `images/<name>-<key>.tar`, keyed by everything that it is made from,
so that it is made once per machine and content. `crane append` puts files into an image, `crane mutate`
adds the configuration; neither needs a daemon.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paas.node.config import PAUSE
from paas.node.errors import NodeError
from paas.node.spec import REGISTRY
from paas.node.toolchain import Progress

KANIKO = f"{REGISTRY}/paas/kaniko:1.24.0"
MACHINE_CAS = Path("/etc/ssl/certs/ca-certificates.crt")
LOCAL_CAS = Path("/usr/local/share/ca-certificates")
MERGED_USR = Path("/usr/share/mmdebstrap/hooks/merged-usr")
RECIPE = b"3"
"""Changed with the way in which runtime images are made, so that kept ones are made again."""
# What a program may take for granted of a small machine: names of protocols and services, time zones, CAs.
BASICS = ("usr-is-merged", "ca-certificates", "netbase", "tzdata")
# Applications run as this user; without a name and a home, getpass, ssh, gunicorn and many more fail.
ACCOUNT = "useradd --uid 1000 --user-group --create-home --shell /bin/sh app"
# Where programs of an image look for trusted CAs; several know only their own variable.
TRUST_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What `crane mutate` sets."""

    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    workdir: str = ""
    user: str = ""


@dataclass(frozen=True, kw_only=True)
class RuntimeImage:
    """A base image made of Debian packages; `reference` is like paas/runtime-python:latest."""

    reference: str
    packages: tuple[str, ...]
    suite: str = "bookworm"
    environment: Mapping[str, str] = field(default_factory=dict)


def pause(cache: Path, binaries: Path) -> Path:
    """The image of the process that holds a pod's namespaces: catatonit, statically linked."""
    found = shutil.which("catatonit") or "/usr/bin/catatonit"
    program = Path(found)
    key = _key(program.read_bytes())
    target = cache / "images" / f"pause-{key}.tar"
    if not target.exists():
        files = {"pause": (program.read_bytes(), 0o755)}
        _assemble(
            target, binaries, PAUSE, _layer(files), Settings(entrypoint=("/pause", "-P"), user="65535:65535")
        )
    return target


def kaniko(cache: Path, binaries: Path) -> Path:
    """Kaniko's executor with the machine's trusted CAs, in the shape of its upstream image."""
    executor = (binaries / "executor").resolve()
    authorities = MACHINE_CAS.read_bytes()
    settings = Settings(
        entrypoint=("/kaniko/executor",),
        environment={
            "PATH": "/usr/local/bin:/kaniko",
            "SSL_CERT_DIR": "/kaniko/ssl/certs",
            "DOCKER_CONFIG": "/kaniko/.docker/",
            "HOME": "/root",
            "USER": "root",
        },
        workdir="/workspace",
    )
    key = _key(str(executor).encode(), authorities, repr(settings).encode())
    target = cache / "images" / f"kaniko-{key}.tar"
    if not target.exists():
        files = {
            "kaniko/executor": (executor.read_bytes(), 0o755),
            "kaniko/ssl/certs/ca-certificates.crt": (authorities, 0o644),
            "etc/nsswitch.conf": (b"hosts: files dns\n", 0o644),
        }
        folders = {"kaniko/.docker": 0o777, "workspace": 0o777, "root": 0o700, "tmp": 0o1777}
        _assemble(target, binaries, KANIKO, _layer(files, folders), settings)
    return target


def runtime(cache: Path, binaries: Path, image: RuntimeImage, *, progress: Progress) -> Path:
    """A runtime image by mmdebstrap, with the machine's own trusted CAs added to Debian's."""
    authorities = machine_authorities()
    settings = Settings(
        command=("/bin/bash",),
        environment={
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            **({name: str(MACHINE_CAS) for name in TRUST_VARIABLES} if authorities else {}),
            **image.environment,
        },
    )
    key = _key(RECIPE, repr((image, settings)).encode(), _sources().encode(), *authorities)
    name = image.reference.rpartition("/")[2].replace(":", "-")
    target = cache / "images" / f"{name}-{key}.tar"
    if target.exists():
        return target
    progress(f"Making the runtime image {image.reference} from Debian packages (once, about half a minute)")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="making-") as folder:
        layer = Path(folder, "root.tar")
        _debootstrap(layer, image, authorities, Path(folder))
        _assemble(target, binaries, f"{REGISTRY}/{image.reference}", layer, settings)
    return target


def machine_authorities() -> tuple[bytes, ...]:
    """PEM texts of the CAs this machine trusts beyond Debian's own, in the order of their file names.

    Those that were put where Debian wants them (/usr/local/share/ca-certificates), and those of the bundle
    that come from no file of the ca-certificates package.
    """
    official = {
        block
        for path in Path("/usr/share/ca-certificates").rglob("*.crt")
        for block in _blocks(path.read_text())
    }
    if not official or not MACHINE_CAS.exists():
        return tuple(path.read_bytes() for path in sorted(LOCAL_CAS.rglob("*.crt")))
    extra = [block for block in _blocks(MACHINE_CAS.read_text()) if block not in official]
    return tuple(block.encode() for block in dict.fromkeys(extra))


def _blocks(text: str) -> list[str]:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    found = []
    for part in text.split(begin)[1:]:
        body = "\n".join(line.strip() for line in part.partition(end)[0].strip().splitlines())
        found.append(f"{begin}\n{body}\n{end}\n")
    return found


def _debootstrap(layer: Path, image: RuntimeImage, authorities: Sequence[bytes], folder: Path) -> None:
    # mmdebstrap runs hooks with the new root as $1; files are copied in before the packages configure
    hooks = []
    for number, content in enumerate(authorities):
        file = folder / f"machine-{number}.crt"
        file.write_bytes(content)
        inside = f"/usr/local/share/ca-certificates/machine-{number}.crt"
        hooks += [f"--customize-hook=upload {file} {inside}"]
    if authorities:
        hooks.append('--customize-hook=chroot "$1" update-ca-certificates')
    hooks.append(f'--customize-hook=chroot "$1" {ACCOUNT}')
    # What a container never reads: every build unpacks its base image, so each file costs time there.
    hooks.append('--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*')
    hooks += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "info", "locale", "man")]
    # Born with a merged /usr, the root does without `usrmerge`, which brings the whole of Perl along.
    hooks.append(f"--hook-dir={MERGED_USR}")
    included = ",".join(dict.fromkeys((*BASICS, *image.packages)))
    command = [
        "mmdebstrap",
        "--quiet",
        "--mode=root" if os.geteuid() == 0 else "--mode=auto",
        "--variant=minbase",
        f"--include={included}",
        *hooks,
        image.suite,
        str(layer),
    ]
    sources = _sources()
    if sources:
        command.append("-")
    result = subprocess.run(command, input=sources, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise NodeError(
            f"The runtime image {image.reference} could not be made:\n{result.stderr.strip()[-1500:]}",
            why="mmdebstrap, which makes it from Debian packages, failed",
            next_step="run `apt-get update` to see whether this machine reaches its Debian mirror, then "
            "the same command again",
        )


def _sources() -> str:
    """The machine's own package sources if it is a Debian bookworm, else none (mmdebstrap's default)."""
    release = Path("/etc/os-release")
    if not release.exists() or "VERSION_CODENAME=bookworm" not in release.read_text():
        return ""
    lists = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    return "\n".join(
        path.read_text()
        for path in lists
        if path.is_file() and path.suffix in (".list", ".sources") and _debian(path)
    )


def _debian(path: Path) -> bool:
    """Only the distribution itself: other archives need keys that the new root does not have."""
    return path.name in ("sources.list", "debian.sources")


def _assemble(target: Path, binaries: Path, tag: str, layer: bytes | Path, settings: Settings) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="making-") as folder:
        source = layer if isinstance(layer, Path) else Path(folder, "layer.tar")
        if isinstance(layer, bytes):
            source.write_bytes(layer)
        plain, final = Path(folder, "plain.tar"), Path(folder, "final.tar")
        crane = str(binaries / "crane")
        _run(
            [
                crane,
                "append",
                "--oci-empty-base",
                f"--new_layer={source}",
                f"--new_tag={tag}",
                f"--output={plain}",
            ]
        )
        configure_tarball(plain, final, settings)
        final.rename(target)


def configure_tarball(source: Path, target: Path, settings: Settings) -> None:
    """Copy a `docker save` tarball with its configuration changed.

    `crane mutate` works on registries only; in a tarball the configuration is one JSON file named by its own
    hash, to which manifest.json refers.
    """
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        manifest = json.load(_extract(old, "manifest.json"))
        config_name = manifest[0]["Config"]
        config = json.load(_extract(old, config_name))
        inner = config.setdefault("config", {})
        if settings.entrypoint:
            inner["Entrypoint"] = list(settings.entrypoint)
        if settings.command:
            inner["Cmd"] = list(settings.command)
        if settings.environment:
            inner["Env"] = [f"{name}={value}" for name, value in settings.environment.items()]
        if settings.workdir:
            inner["WorkingDir"] = settings.workdir
        if settings.user:
            inner["User"] = settings.user
        config["os"] = "linux"
        config["architecture"] = _architecture()
        content = json.dumps(config).encode()
        manifest[0]["Config"] = f"sha256:{hashlib.sha256(content).hexdigest()}"
        _add(new, manifest[0]["Config"], content)
        for member in old:
            if member.name not in ("manifest.json", config_name):
                new.addfile(member, old.extractfile(member) if member.isfile() else None)
        _add(new, "manifest.json", json.dumps(manifest).encode())


def _architecture() -> str:
    from paas.node.toolchain import machine

    return machine()


def _extract(archive: tarfile.TarFile, name: str) -> io.BufferedReader:
    file = archive.extractfile(name)
    assert file is not None
    return file  # type: ignore[return-value]


def _layer(files: Mapping[str, tuple[bytes, int]], folders: Mapping[str, int] | None = None) -> bytes:
    """A layer with these files (content, mode) and folders (mode); the same input gives the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        made: set[str] = set()
        wanted = dict(folders or {})
        for path in sorted([*files, *wanted]):
            parents = [str(parent) for parent in Path(path).parents if str(parent) != "."]
            for folder in [*reversed(parents), *([path] if path in wanted else [])]:
                if folder not in made:
                    made.add(folder)
                    entry = tarfile.TarInfo(folder)
                    entry.type, entry.mode = tarfile.DIRTYPE, wanted.get(folder, 0o755)
                    archive.addfile(entry)
            if path in files:
                _add(archive, path, files[path][0], mode=files[path][1])
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, *, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def _key(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise NodeError(
            f"`{' '.join(command[:3])} …` failed: {result.stderr.strip()[-800:]}",
            why="an image of the embedded cluster could not be made",
            next_step="run the same command again; `paas doctor` shows what the machine lacks",
        )
