"""What Kubernetes makes of `$` in a container's env values, command and args, and how text passes unchanged.

The kubelet replaces `$(NAME)` by the variable of that name if the container has it, and `$$` by `$`; any
other `$` stands for itself. Source: k8s.io/kubernetes, third_party/forked/golang/expansion.
"""

from __future__ import annotations

import re

_ACTIVE = re.compile(r"\$\$+|\$(?=\()")
"""Dollars that would be taken for more than themselves."""
_TOKEN = re.compile(r"\$\$|\$\([^)]*\)")


def literal(text: str) -> str:
    """What must stand in the manifest, so that the process gets `text`."""
    return _ACTIVE.sub(lambda match: match.group() * 2, text)


def refers(value: str) -> bool:
    """Whether a manifest's value has a `$(NAME)` that Kubernetes may replace."""
    return any(token != "$$" for token in _TOKEN.findall(value))


def given(value: str) -> str:
    """What the process gets for a manifest's value; a `$(NAME)` is left as it is, since what it becomes
    depends on the other variables."""
    return _TOKEN.sub(lambda match: "$" if match.group() == "$$" else match.group(), value)
