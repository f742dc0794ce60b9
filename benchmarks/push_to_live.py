"""Push to live, leg by leg: `make bench`.

The Python sample is pushed again and again with one changed line, and once each time onto a fresh
application (cold: nothing of it is cached). Every leg is printed with median and p95, and written with all
runs to benchmarks/results/push-to-live.json.

The platform tax is the time from the end of the push (the server has the commit) to the first answer of the
new version at its URL, less what Kaniko and the application take themselves: Kaniko from its first to its
last line, the application from its container's start to its being ready.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform as machine
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.timeline import Timeline
from paas.kube.cluster import Cluster
from paas.node import paths
from tests.support.platform import Instance, Person, clean_environment, new_person, unused_name
from tests.support.samples import python_app

RESULTS = Path(__file__).with_name("results") / "push-to-live.json"
LEGS = (
    ("git push sent", "start", "received"),
    ("build made", "received", "build made"),
    ("build pod scheduled", "build made", "build pod scheduled"),
    ("fetch started", "build pod scheduled", "fetch started"),
    ("fetch", "fetch started", "kaniko started"),
    ("kaniko", "kaniko started", "kaniko ended"),
    ("verified and complete", "kaniko ended", "build complete"),
    ("tag moved", "build complete", "tag moved"),
    ("rollout begun", "tag moved", "rollout begun"),
    ("app pod made", "rollout begun", "app pod made"),
    ("app container started", "app pod made", "app container started"),
    ("app ready", "app container started", "app ready"),
    ("first answer", "app ready", "answered"),
    ("pusher told", "answered", "told"),
)


@dataclass(frozen=True)
class Run:
    """One push: moments in monotonic seconds, and Kaniko's own first and last line."""

    moments: dict[str, float]
    kaniko: tuple[float, float]

    def leg(self, begin: str, end: str) -> float:
        return self.moments[end] - self.moments[begin]

    @property
    def total(self) -> float:
        return self.leg("start", "answered")

    @property
    def tax(self) -> float:
        own = self.kaniko[1] - self.kaniko[0] + self.leg("app container started", "app ready")
        return self.leg("received", "answered") - own


async def push_once(person: Person, folder: Path, app: str, text: str, *, number: int) -> Run:
    """Push `text` as build and revision `number`, and watch it come to life."""
    person.commit(folder, python_app(text), f"Say {text}")
    async with (
        await Cluster.connect(person.instance.kubeconfig) as cluster,
        Timeline(cluster, person.project, app, number=number) as timeline,
    ):
        await asyncio.sleep(0.2)  # the watches are open before the clock starts
        moments = {"start": time.monotonic()}
        process = await asyncio.create_subprocess_exec(
            "git", "push", "paas", "main",
            cwd=folder, env={**clean_environment(), **person.env}, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None
        asking = asyncio.create_task(_first_answer(person, app, text))
        said = []
        async for line in process.stderr:
            said.append(line.decode(errors="replace"))
            if b"----->" in line and "received" not in moments:
                moments["received"] = time.monotonic()
        code = await process.wait()
        moments["told"] = time.monotonic()
        if code != 0:
            raise SystemExit(f"git push ended with {code}:\n{''.join(said)}")
        moments["answered"] = await asyncio.wait_for(asking, 60)
        for name in ("app ready", "build complete"):
            await timeline.until(name, seconds=30)
        kaniko = await timeline.kaniko_log()
        return Run(moments | timeline.seen, kaniko)


async def _first_answer(person: Person, app: str, text: str) -> float:
    while True:
        try:
            answer = await asyncio.to_thread(person.answer, app)
            if answer.status == 200 and answer.text == f"{text}\n":
                return time.monotonic()
        except OSError:
            pass
        await asyncio.sleep(0.02)


def summary(values: list[float]) -> dict[str, float]:
    """Minimum, median, 95th percentile (nearest rank) and maximum, seconds."""
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    figures = {"min": ordered[0], "median": statistics.median(ordered), "p95": p95, "max": ordered[-1]}
    return {name: round(value, 3) for name, value in figures.items()}


def figures(runs: list[Run]) -> dict[str, dict[str, float]]:
    """Summaries of each leg, of the whole and of the platform tax."""
    found = {name: summary([run.leg(begin, end) for run in runs]) for name, begin, end in LEGS}
    found["whole: push to first answer"] = summary([run.total for run in runs])
    found["kaniko's own (first to last line)"] = summary([run.kaniko[1] - run.kaniko[0] for run in runs])
    found["platform tax"] = summary([run.tax for run in runs])
    return found


def table(title: str, found: dict[str, dict[str, float]]) -> str:
    lines = [title, f"  {'leg':<36}{'min':>8}{'median':>8}{'p95':>8}{'max':>8}  seconds"]
    lines += [
        f"  {name:<36}" + "".join(f"{value:8.2f}" for value in row.values()) for name, row in found.items()
    ]
    return "\n".join(lines)


async def bench(instance: Instance, *, warm: int, cold: int) -> dict[str, object]:
    """Run it all; the result as it is written."""
    with tempfile.TemporaryDirectory() as scratch:
        person = new_person(instance, unused_name("bench"), Path(scratch) / "home")
        runs: dict[str, list[Run]] = {"cold": [], "warm": []}
        for number in range(1, cold + 1):
            app = f"cold{number}"
            folder = person.repository(app, python_app("zero"))
            person.paas("new-app", ".", "--name", app, cwd=folder).ok()
            runs["cold"].append(await push_once(person, folder, app, f"{app} first", number=1))
            print(f"cold {number}/{cold}: {runs['cold'][-1].total:.1f} s", file=sys.stderr)
        for number in range(2, warm + 2):
            runs["warm"].append(await push_once(person, folder, app, f"text {number}", number=number))
            print(f"warm {number - 1}/{warm}: {runs['warm'][-1].total:.1f} s", file=sys.stderr)
        instance.kubectl("delete", "namespace", person.project, "--wait=false")
    found = {kind: figures(of_kind) for kind, of_kind in runs.items() if of_kind}
    for kind, rows in found.items():
        print(table(f"\n{kind}: {len(runs[kind])} pushes", rows))
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {machine.system()} {machine.release()}",
        "pushes": {kind: len(of_kind) for kind, of_kind in runs.items()},
        "seconds": found,
        "runs": {
            kind: [
                {name: round(run.leg(begin, end), 3) for name, begin, end in LEGS}
                | {"whole": round(run.total, 3), "platform tax": round(run.tax, 3)}
                for run in of_kind
            ]
            for kind, of_kind in runs.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--warm", type=int, default=10)
    parser.add_argument("--cold", type=int, default=3)
    parser.add_argument("--name", default="bench", help="instance; it is brought up, and left running")
    parser.add_argument("--ports", default="38080,38443,36443", help="http, https and API port")
    given = parser.parse_args()
    ports = [int(port) for port in given.ports.split(",")]
    instance = Instance(given.name, *ports, paths.state_root() / given.name)
    instance.up().ok()
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    result = {"commit": commit} | asyncio.run(bench(instance, warm=given.warm, cold=given.cold))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(
        f"\nwritten to {RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS}"
    )


if __name__ == "__main__":
    main()
