"""A certificate that cannot be signed, as the authority is not there, is a refusal and not a crash."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from paas.api.resources import ROUTE, Key
from paas.kube.cluster import Cluster
from paas.kube.view import View
from paas.reconcile.refusal import EffectRefused
from paas.routes.controller import RoutesController
from paas.routes.plan import IssueCertificate
from paas.settings import Settings
from tests.routes.fake_cluster import route


@pytest.mark.parametrize("content", [None, "", "not a certificate"])
async def test_it_says_which_certificate_and_what_to_do(tmp_path: Path, content: str | None) -> None:
    view = View()
    found = route()
    found["metadata"]["resourceVersion"] = "1"
    view.put(ROUTE, found)
    settings = Settings(ca_file=tmp_path / "ca.crt", ca_key_file=tmp_path / "ca.key")
    if content is not None:
        settings.ca_file.write_text(content)
        settings.ca_key_file.write_text(content)
    controller = RoutesController(cluster=cast(Cluster, None), view=view, settings=settings)
    effect = IssueCertificate(Key("demo", "shop"), "demo-shop-uid", "shop.route-tls", ("a.b.apps.test",))
    with pytest.raises(EffectRefused, match=r"no certificate for a\.b\.apps\.test .*; fix it with: paas up"):
        await controller.effect(effect)
