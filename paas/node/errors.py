"""The one error of this room: what happened, why, and what to type next."""

from __future__ import annotations

from paas.terminal.problem import ExitCode, Problem


class NodeError(Problem):
    """Shown to a user as it is."""

    def __init__(
        self, what: str, *, why: str = "", next_step: str = "", code: ExitCode = ExitCode.FAILED
    ) -> None:
        super().__init__(what, why=why, hint=next_step, code=code)

    def __str__(self) -> str:
        return "\n".join(self.lines())
