"""What the kubelet makes of a value with `$`: the documented rule, character by character."""

from __future__ import annotations

from collections.abc import Mapping


def expanded(value: str, variables: Mapping[str, str]) -> str:
    """`value` as the process gets it. Kubernetes, "Define Dependent Environment Variables": `$(NAME)` is the
    variable, or stays when there is none; `$$` is one `$`, so `$$(NAME)` is never replaced."""
    result, at = "", 0
    while at < len(value):
        char, following = value[at], value[at + 1 : at + 2]
        end = value.find(")", at)
        if char != "$" or not following:
            result, at = result + char, at + 1
        elif following == "$":
            result, at = result + "$", at + 2
        elif following == "(" and end > 0:
            name = value[at + 2 : end]
            result, at = result + variables.get(name, f"$({name})"), end + 1
        else:
            result, at = result + char + following, at + 2
    return result
