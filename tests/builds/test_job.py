"""The pod that builds: a golden manifest, and what no BuildConfig may make of it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from paas.api.build import BuildSpec
from paas.api.resources import Manifest
from paas.auth import credentials
from paas.builds import job
from paas.builds.instantiate import frozen
from paas.fetch.request import FetchRequest
from tests.builds.fake_cluster import REPOSITORIES, SETTINGS, config, push
from tests.support.expansion import expanded

GOLDEN = Path(__file__).parent / "golden"
KEY = b"k" * 32


def made(**spec: Any) -> tuple[Manifest, BuildSpec]:
    build = frozen(config(**spec), push(1), 1)
    build["metadata"] |= {"uid": "5e0f", "creationTimestamp": "2027-01-01T00:00:00Z"}
    return build, BuildSpec.model_validate(build["spec"])


def job_of(**spec: Any) -> Manifest:
    build, parsed = made(**spec)
    return job.job(build, parsed, settings=SETTINGS, repositories=REPOSITORIES, user_namespaces=True)


def secret_of(**spec: Any) -> dict[str, str]:
    build, parsed = made(**spec)
    url = "https://paas.apps.localhost:8443/git/demo/shop.git"
    secret = job.secret(build, parsed, settings=SETTINGS, key=KEY, ca="PEM", repository_url=url)
    return {name: base64.b64decode(text).decode() for name, text in secret["data"].items()}


EXTERNAL = {
    "source": {
        "git": {"uri": "https://git.example/team/shop.git", "ref": "main"},
        "contextDir": "web",
        "sourceSecret": {"name": "login"},
    },
    "strategy": {
        "dockerStrategy": {
            "noCache": True,
            "dockerfilePath": "docker/Dockerfile",
            "buildArgs": [{"name": "LEVEL", "value": "a b --no-push"}],
            "imageOptimizationPolicy": "SkipLayers",
        }
    },
    "output": {
        "to": {"kind": "ImageStreamTag", "name": "shop:latest"},
        "imageLabels": [{"name": "team", "value": "x=y"}],
    },
    "resources": {"limits": {"memory": "1Gi", "cpu": "2"}, "requests": {"cpu": "500m"}},
    "completionDeadlineSeconds": 120,
    "nodeSelector": {"disk": "ssd"},
}


@pytest.mark.parametrize(("name", "spec"), [("hosted", {}), ("external", EXTERNAL)])
def test_the_job_is_as_it_was(name: str, spec: dict[str, Any]) -> None:
    """After a wanted change: delete the file, run this, look at what it wrote, and commit it."""
    path = GOLDEN / f"job-{name}.yaml"
    text = yaml.safe_dump(job_of(**spec), sort_keys=True, width=110)
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        pytest.fail(f"{path.name} was missing and is written now; look at it, commit it, run again")
    assert text == path.read_text()


@pytest.mark.parametrize("spec", [{}, EXTERNAL], ids=["hosted", "external"])
def test_T1_the_pod_has_no_more_than_it_needs(spec: dict[str, Any]) -> None:
    pod = job_of(**spec)["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["hostUsers"] is False
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["activeDeadlineSeconds"] > 0
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    for container in (*pod["initContainers"], *pod["containers"]):
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"]["drop"] == ["ALL"]
        assert "privileged" not in security
        assert {"memory", "ephemeral-storage"} <= set(container["resources"]["limits"])
        assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
    assert kinds <= {"emptyDir", "secret"}
    added = pod["containers"][0]["securityContext"]["capabilities"]["add"]
    baseline = {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
        "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }  # fmt: skip
    assert set(added) <= baseline


def test_each_container_sees_its_own_credential_alone() -> None:
    pod = job_of(**EXTERNAL)["spec"]["template"]["spec"]
    entries = {
        volume["name"]: {item["key"] for item in volume["secret"].get("items", [])}
        for volume in pod["volumes"]
        if "secret" in volume
    }
    fetch = {mount["name"] for mount in pod["initContainers"][0]["volumeMounts"]}
    kaniko = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    assert fetch & set(entries) == {"order", "source-secret"}
    assert kaniko & set(entries) == {"registry"}
    assert entries["order"] == {"order.json", "password", "ca.crt"}
    assert entries["registry"] == {"config.json", "ca.crt"}


def test_the_registry_login_is_the_builds_own() -> None:
    data = secret_of()
    auth = json.loads(data["config.json"])["auths"][SETTINGS.registry_push]["auth"]
    user, _, password = base64.b64decode(auth).decode().rpartition(":")
    assert user == "build:demo/shop-1"
    assert credentials.verify_build_credential(KEY, "5e0f", credentials.REGISTRY, password)
    assert not credentials.verify_build_credential(KEY, "5e0f", credentials.SOURCE, password)
    assert credentials.verify_build_credential(KEY, "5e0f", credentials.SOURCE, data["password"])


def test_a_hosted_source_is_the_archive_of_the_commit_and_the_frozen_dockerfile() -> None:
    order = FetchRequest.from_json(secret_of()["order.json"])
    commit = push(1).commit
    assert order.archive == f"https://paas.paas.internal/git/demo/shop/archive/{commit}.tar"
    assert order.user == "build:demo/shop-1"
    assert order.dockerfile == "FROM scratch\n"
    assert order.uri is None
    assert order.environment["PAAS_BUILD_NAME"] == "shop-1"


def test_an_external_source_is_named_and_nothing_is_frozen() -> None:
    order = FetchRequest.from_json(secret_of(**EXTERNAL)["order.json"])
    assert (order.archive, order.user, order.dockerfile) == (None, None, None)
    assert (order.uri, order.ref) == ("https://git.example/team/shop.git", "main")
    assert (order.context_dir, order.dockerfile_path) == ("web", "docker/Dockerfile")
    assert order.build_args == {"LEVEL": "a b --no-push"}


@given(
    value=st.text(max_size=40) | st.text("$(A)", max_size=9),
    folder=st.from_regex(r"[A-Za-z0-9._][A-Za-z0-9._/-]{0,20}", fullmatch=True),
    label=st.text(max_size=20),
)
def test_T2_nothing_of_a_user_becomes_a_flag_of_its_own(value: str, folder: str, label: str) -> None:
    spec = {
        "source": {"git": {}, "contextDir": folder},
        "strategy": {"dockerStrategy": {"buildArgs": [{"name": "A", "value": value}]}},
        "output": {"to": {"name": "shop:latest"}, "imageLabels": [{"name": "x", "value": label}]},
    }
    build, parsed = made(**spec)
    args = job.kaniko_args(build, parsed, SETTINGS, REPOSITORIES)
    known = {argument.partition("=")[0] for argument in job.kaniko_args(*made(), SETTINGS, REPOSITORIES)}
    assert {argument.partition("=")[0] for argument in args} == known | {
        "--context-sub-path", "--build-arg", "--label"
    }  # fmt: skip
    assert f"--build-arg=A={value}" in args
    whole = job.job(build, parsed, settings=SETTINGS, repositories=REPOSITORIES, user_namespaces=True)
    container = whole["spec"]["template"]["spec"]
    written = container["containers"][0]["args"]
    assert [expanded(argument, {"A": "not this"}) for argument in written] == args


def test_certificates_are_always_checked() -> None:
    args = " ".join(job.kaniko_args(*made(), SETTINGS, REPOSITORIES))
    assert "insecure" not in args
    assert "skip-tls" not in args
    assert "--registry-certificate=registry.paas.internal:5000=/kaniko/.docker/ca.crt" in args


def test_a_limit_of_the_user_never_falls_below_our_request() -> None:
    resources = job_of(resources={"limits": {"memory": "64Mi"}})["spec"]["template"]["spec"]["containers"][0][
        "resources"
    ]
    assert resources["limits"]["memory"] == "64Mi"
    assert "memory" not in resources["requests"]


def test_names_of_63_characters_fit() -> None:
    build, _ = made()
    build["metadata"]["name"] = "a" * 52 + "-2147483647"
    assert len(job.job_name(build)) <= 63
    assert job.job_name(build) != job.job_name({"metadata": {"name": "a" * 52 + "-2147483646"}})
