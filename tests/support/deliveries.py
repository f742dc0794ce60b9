"""What GitHub posts to a webhook."""

from __future__ import annotations

from typing import Any

COMMIT, BEFORE = "a" * 40, "b" * 40


def payload(**changes: Any) -> dict[str, Any]:
    return {
        "ref": "refs/heads/main",
        "before": BEFORE,
        "after": COMMIT,
        "deleted": False,
        "repository": {
            "clone_url": "https://git.example/team/shop.git",
            "default_branch": "main",
            "pushed_at": 1700000000,
        },
        "pusher": {"name": "alice"},
        "head_commit": {
            "id": COMMIT,
            "message": "Fix login",
            "author": {"name": "Alice", "email": "alice@example.com"},
            "committer": {"name": "Bob", "email": "bob@example.com"},
        },
        **changes,
    }
