"""The registry's own program, at work on the storage: it removes the layers that no manifest names."""

from __future__ import annotations

import asyncio
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from paas.registry.collection import CannotCollect
from paas.registry.storage import Storage


@dataclass(frozen=True)
class Registry:
    """The registry's program, and the storage that it works on."""

    program: Path
    storage: Storage


async def sweep(registry: Registry) -> None:
    """Remove what no manifest names any more. The program is killed when this is cancelled; what it removed
    by then was unused. Raises CannotCollect when it fails."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(_configuration(registry.storage.folder), file)
        file.flush()
        process = await asyncio.create_subprocess_exec(
            registry.program,
            "garbage-collect",
            file.name,
            env={"OTEL_TRACES_EXPORTER": "none"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            said = await _end_of_output(process)
            if await process.wait() != 0:
                raise CannotCollect(f"the registry's garbage collection failed: {said}")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _configuration(folder: Path) -> dict[str, object]:
    return {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder)}, "delete": {"enabled": True}},
        "http": {"addr": "127.0.0.1:0"},
    }


async def _end_of_output(process: asyncio.subprocess.Process) -> str:
    """The last lines of what the program prints, read to the end: a full pipe would stop it."""
    assert process.stdout is not None, "the program is started with a pipe"
    end = b""
    while piece := await process.stdout.read(65536):
        end = (end + piece)[-2000:]
    return end.decode(errors="replace").strip()
