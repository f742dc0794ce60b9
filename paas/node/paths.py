"""Where the embedded cluster keeps things.

Two roots, both movable by environment:

- the cache (`PAAS_CACHE`, default /var/cache/paas): compiled components and made images, keyed by the
  content they were made from. Everything in it can be made again; deleting it costs time only.
- the state (`PAAS_STATE`, default /var/lib/paas): one folder per instance, holding all that makes a
  cluster *that* cluster: keys, etcd, volumes, images, logs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def cache_root(environ: Mapping[str, str] = os.environ) -> Path:
    return Path(environ.get("PAAS_CACHE") or "/var/cache/paas").absolute()


def state_root(environ: Mapping[str, str] = os.environ) -> Path:
    return Path(environ.get("PAAS_STATE") or "/var/lib/paas").absolute()
