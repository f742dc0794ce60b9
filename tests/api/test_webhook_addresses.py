"""Where a git host sends its deliveries."""

from __future__ import annotations

from paas.api.webhook_addresses import hooks
from paas.templates.new_app import Found, next_steps
from paas.templates.render import AppSpec, objects, render

SERVER = "https://paas.apps.localhost:8443"


def test_the_addresses_are_those_that_new_app_said() -> None:
    app = AppSpec("shop", "demo", 8080, "test", uri="https://host.example/shop.git", webhook_key="k")
    config = next(made for made in objects(render(app)) if made["kind"] == "BuildConfig")
    (hook,) = hooks(config, SERVER)
    assert hook.address == f"{SERVER}/webhooks/demo/shop/github"
    said = next_steps(Found(app, ()), remote="paas", server=SERVER)
    assert f"  address: {hook.address}" in said
    assert f"  secret:  {hook.secret_command}" in said
    assert "  both again: paas webhooks shop -n demo" in said


def test_an_application_that_is_pushed_has_none() -> None:
    app = AppSpec("shop", "demo", 8080, "test")
    config = next(made for made in objects(render(app)) if made["kind"] == "BuildConfig")
    assert hooks(config, SERVER) == []
