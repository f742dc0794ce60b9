"""A guard is needed when a test goes red without it.

`@pytest.mark.guard(module, guard, without)` on a test runs it once more while `guard`, a piece of the
module's source, is replaced by `without`; this run must fail. So a test that would pass without what it is
about is found out.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType, ModuleType


@dataclass(frozen=True)
class Guard:
    """A piece of a module's source, and what is put in its place."""

    module: ModuleType
    source: str
    without: str

    @contextlib.contextmanager
    def removed(self) -> Iterator[None]:
        """The running code without the guard: the compiled bodies of the module's functions are replaced."""
        module = self.module
        functions = {
            name: value
            for name, value in module.__dict__.items()
            if isinstance(value, FunctionType) and value.__module__ == module.__name__
        }
        before = {name: function.__code__ for name, function in functions.items()}
        changed = self._compiled()
        for name, function in functions.items():
            function.__code__ = changed[name].__code__
        try:
            yield
        finally:
            for name, function in functions.items():
                function.__code__ = before[name]

    def _compiled(self) -> dict[str, FunctionType]:
        source = inspect.getsource(self.module)
        times = source.count(self.source)
        assert times == 1, f"{self.module.__name__} has this guard {times} times: {self.source}"
        changed = dict(self.module.__dict__)
        exec(compile(source.replace(self.source, self.without), str(self.module.__file__), "exec"), changed)
        return changed
