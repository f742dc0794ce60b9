"""The objects of a new application: what is written, and that nothing can be smuggled in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from paas.api.buildconfig import BuildConfigSpec
from paas.api.deployment import DeploymentConfigSpec
from paas.api.image import ImageStreamSpec
from paas.api.resources import Manifest
from paas.api.route import RouteSpec
from paas.templates.render import AppSpec, objects, render
from tests.support.expansion import expanded

GOLDEN = Path(__file__).parent / "golden"
HOSTED = AppSpec("shop", "demo", 8080, "Python, source pushed to the platform")
EXTERNAL = AppSpec(
    name="shop",
    project="demo",
    port=3000,
    summary="Dockerfile, source at https://host.example/team/shop.git",
    uri="https://host.example/team/shop.git",
    ref="release",
    context_dir="services/web",
    env=(("GREETING", 'say "hi": # yes'), ("EMPTY", "")),
    webhook_key="0123456789",
)


@pytest.mark.parametrize(("name", "app"), [("hosted", HOSTED), ("external", EXTERNAL)])
def test_the_text_that_people_get(name: str, app: AppSpec) -> None:
    """UPDATE_GOLDEN=1 writes the files again; read the difference before committing it."""
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(render(app))
    assert render(app) == path.read_text()


def by_kind(app: AppSpec) -> dict[str, Manifest]:
    return {manifest["kind"]: manifest for manifest in objects(render(app))}


def test_it_is_what_the_models_understand() -> None:
    for app in (HOSTED, EXTERNAL):
        made = by_kind(app)
        assert BuildConfigSpec.model_validate(made["BuildConfig"]["spec"]).output.to.stream == "shop"
        assert ImageStreamSpec.model_validate(made["ImageStream"]["spec"])
        assert RouteSpec.model_validate(made["Route"]["spec"]).to.name == made["Service"]["metadata"]["name"]
        spec = DeploymentConfigSpec.model_validate(made["DeploymentConfig"]["spec"])
        assert spec.selector == made["Service"]["spec"]["selector"]
        assert spec.selector is not None
        assert spec.selector.items() <= spec.template.metadata.labels.items()


def test_a_rollout_loses_no_request_and_the_address_is_safe() -> None:
    made = by_kind(HOSTED)
    spec = made["DeploymentConfig"]["spec"]
    container = spec["template"]["spec"]["containers"][0]
    assert container["readinessProbe"]["tcpSocket"] == {"port": "http"}
    assert container["lifecycle"]["preStop"]["sleep"]["seconds"] == 5
    assert spec["strategy"]["rollingParams"] == {
        "maxUnavailable": 0,
        "maxSurge": "25%",
        "timeoutSeconds": 120,
    }
    tls = made["Route"]["spec"]["tls"]
    assert tls == {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}


def test_everything_belongs_to_the_application() -> None:
    for manifest in objects(render(EXTERNAL)):
        assert manifest["metadata"]["labels"]["app.kubernetes.io/part-of"] == "shop"
        assert manifest["metadata"]["namespace"] == "demo"


def test_port_and_environment() -> None:
    env = by_kind(EXTERNAL)["DeploymentConfig"]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert env == [
        {"name": "PORT", "value": "3000"},
        {"name": "GREETING", "value": 'say "hi": # yes'},
        {"name": "EMPTY", "value": ""},
    ]
    twice = AppSpec("a", "b", 8080, "", env=(("PORT", "9"), ("X", "1")))
    env = by_kind(twice)["DeploymentConfig"]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert env == [{"name": "PORT", "value": "8080"}, {"name": "X", "value": "1"}]


@pytest.mark.parametrize(
    "evil",
    [
        'x"\n  injected: true\n#',
        "x\n---\napiVersion: v1\nkind: Secret",
        "{{ 7 * 7 }}{% for x in y %}",
        "*alias &anchor !!python/object:os.system",
        "\u2028\u2029\x85\x7f\ufeff",
        "'; }{ ][ , : # \\ \\\" \t",
        "😀 日本 naïve",
        "yes", "null", "1e3", "0x1F", "2026-03-04", "", " ", "-", "? ",
    ],
)  # fmt: skip
def test_a_value_stays_a_value(evil: str) -> None:
    app = AppSpec(
        name=evil, project=evil, port=1, summary=evil, uri=evil or "x", ref=evil or "x",
        context_dir=evil or "x", env=(("A", evil),), webhook_key=evil,
    )  # fmt: skip
    made = objects(render(app))
    assert [m["kind"] for m in made] == [
        "ImageStream", "BuildConfig", "Secret", "DeploymentConfig", "Service", "Route",
    ]  # fmt: skip
    for manifest in made:
        assert set(manifest) <= {"apiVersion", "kind", "metadata", "spec", "type", "stringData"}
        assert manifest["metadata"]["name"] in (evil, f"{evil}-webhook")
    spec = made[3]["spec"]["template"]["spec"]
    assert spec["containers"][0]["env"][1] == {"name": "A", "value": evil}
    assert made[2]["stringData"] == {"WebHookSecretKey": evil}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_comes_back_as_it_went_in(text: str) -> None:
    made = objects(render(AppSpec("shop", "demo", 1, text, env=(("A", text),))))
    assert len(made) == 5
    value = made[2]["spec"]["template"]["spec"]["containers"][0]["env"][1]["value"]
    assert expanded(value, {"PORT": "1"}) == text


def test_a_value_that_kubernetes_would_change_is_escaped_with_a_word_why() -> None:
    text = render(AppSpec("shop", "demo", 1, "", env=(("A", "pa$(PORT)ss"), ("B", "5$"))))
    assert (
        """
            # $$ stands for one $: Kubernetes replaces $(NAME) by another variable
            - name: "A"
              value: "pa$$(PORT)ss"
            - name: "B"
              value: "5$"
"""
        in text
    )


def test_the_text_is_plain_yaml() -> None:
    assert list(yaml.safe_load_all(render(HOSTED))) == objects(render(HOSTED))
