"""Logs of operator, server and front: one JSON object a line on stderr, as log collectors want them."""

from __future__ import annotations

import logging
import os
import sys

from pythonjsonlogger.json import JsonFormatter

LEVEL_ENV = "PAAS_LOG_LEVEL"


def to_stderr() -> None:
    """Configure the root logger of this process; the level is $PAAS_LOG_LEVEL, else INFO."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
    )
    logging.basicConfig(level=os.environ.get(LEVEL_ENV, "INFO"), handlers=[handler], force=True)
