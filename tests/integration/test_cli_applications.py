"""The commands of the command line against a real API server: what is written, said, and answered."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

from paas.api.resources import BUILDCONFIG, DEPLOYMENT, DEPLOYMENTCONFIG, ROUTE, SECRET, Key, Manifest
from paas.kube.cluster import Cluster
from paas.kube.observe import observe
from tests.support.command_line import URL, Person
from tests.support.expansion import expanded
from tests.support.rooms import token_of

pytestmark = pytest.mark.integration


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM registry.paas.internal:5000/paas/runtime-debian\nEXPOSE 3000\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-q", "-m", "First")
    return folder


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_new_app_explains_creates_and_connects(person: Person, clone: Path) -> None:
    said = person.paas("new-app", str(clone), "--env", "GREETING=hello").ok()
    assert said.out.splitlines() == [
        "imagestream.paas.dev/shop created",
        "buildconfig.paas.dev/shop created",
        "deploymentconfig.paas.dev/shop created",
        "service/shop created",
        "route.paas.dev/shop created",
    ]
    assert "every push to main starts a build" in said.err
    assert "listens on port 3000" in said.err
    assert "git push paas main" in said.err
    repository = f"{URL}/git/{person.project}/shop.git"
    assert git(clone, "remote", "get-url", "paas").strip() == repository
    ca = Path(git(clone, "config", "--get-urlmatch", "http.sslCAInfo", repository).strip())
    assert "BEGIN CERTIFICATE" in ca.read_text()
    helper = git(clone, "config", "--get-all", f"credential.{URL}.helper").splitlines()
    assert helper[0] == ""
    assert f"git-credential --url {URL} " in helper[1]
    assert "http.sslcainfo" not in git(clone, "config", "--get-regexp", "http").splitlines(), (
        "only for the URL"
    )

    container = person.cluster(lambda c: c.get(DEPLOYMENTCONFIG, Key(person.project, "shop")))
    assert container is not None
    assert container["spec"]["template"]["spec"]["containers"][0]["env"] == [
        {"name": "PORT", "value": "3000"},
        {"name": "GREETING", "value": "hello"},
    ]


def test_a_dry_run_prints_what_would_be_made_and_makes_nothing(person: Person, clone: Path) -> None:
    said = person.paas("new-app", str(clone), "--dry-run", "-o", "yaml").ok()
    kinds = [m["kind"] for m in yaml.safe_load_all(said.out)]
    assert kinds == ["ImageStream", "BuildConfig", "DeploymentConfig", "Service", "Route"]
    assert "# How the image runs." in said.out
    assert person.cluster(lambda c: c.get(BUILDCONFIG, Key(person.project, "shop"))) is None
    assert git(clone, "remote") == ""
    names = person.paas("new-app", str(clone), "--dry-run", "-o", "name").ok().out.splitlines()
    assert names[1] == "buildconfig.paas.dev/shop"


def test_a_taken_name_is_refused_and_an_interrupted_new_app_goes_on(person: Person, clone: Path) -> None:
    person.paas("new-app", str(clone)).ok()
    again = person.paas("new-app", str(clone))
    assert again.code == 1
    assert 'error: the name "shop" is taken' in again.err
    assert "--continue" in again.err
    person.cluster(lambda c: c.delete(ROUTE, Key(person.project, "shop")))
    went_on = person.paas("new-app", str(clone), "--continue").ok().out.splitlines()
    assert went_on[0] == "imagestream.paas.dev/shop kept"
    assert went_on[-1] == "route.paas.dev/shop created"


def test_a_failure_half_way_says_what_exists_and_how_to_go_on(
    person: Person, clone: Path, tmp_path: Path
) -> None:
    some = visitor(person, tmp_path, resources=["imagestreams", "buildconfigs"])
    said = some.paas("new-app", str(clone))
    assert said.code == 4, said.err
    assert "error: deploymentconfig.paas.dev/shop could not be made" in said.err
    assert "these exist: imagestream.paas.dev/shop, buildconfig.paas.dev/shop" in said.err
    assert f"--continue, or delete what exists: paas delete app shop -n {person.project}" in said.err


def test_new_app_of_a_url_has_a_webhook(person: Person) -> None:
    said = person.paas("new-app", "https://127.0.0.1:1/team/shop.git", "--ref", "release").ok()
    config = person.cluster(lambda c: c.get(BUILDCONFIG, Key(person.project, "shop")))
    assert config is not None
    assert config["spec"]["source"]["git"] == {"uri": "https://127.0.0.1:1/team/shop.git", "ref": "release"}
    assert [t["type"] for t in config["spec"]["triggers"]] == ["ConfigChange", "GitHub"]
    secret = person.cluster(lambda c: c.get(SECRET, Key(person.project, "shop-webhook")))
    assert secret is not None
    assert len(secret["data"]["WebHookSecretKey"]) > 40
    assert f"{URL}/webhooks/{person.project}/shop/github" in said.err
    assert "Could not look into it" in said.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["{clone}", "--name", "Shop!"], 2, "cannot be the name"),
        (["{clone}", "--env", "nothing"], 2, "is not NAME=VALUE"),
        (["{clone}", "--strategy", "magic"], 2, 'no strategy "magic"'),
        (["{clone}", "--ref", "no-such-branch"], 1, 'no branch "no-such-branch"'),
        (["{clone}", "--context-dir", "none"], 1, "there is no folder 'none'"),
        (["{empty}"], 1, "nothing to build by"),
        (["{plain}"], 1, "git init"),
        (["{clone}/nowhere"], 3, "there is no folder"),
        (["ssh://git@host/x.git"], 2, "only https"),
        (["git@host:x.git"], 2, "only https"),
        (["https://user:secret@host/x.git"], 2, "must not contain a user"),
    ],
)
def test_what_cannot_become_an_application(
    person: Person, clone: Path, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "-q", "-b", "main")
    places = {"clone": clone, "empty": tmp_path / "empty", "plain": tmp_path / "plain"}
    done = person.paas("new-app", *(a.format(**places) for a in arguments))
    assert (done.code, done.out) == (code, ""), done.err
    assert said in done.err
    assert "hint: " in done.err


def test_a_detached_head_has_no_branch_to_push(person: Person, clone: Path) -> None:
    git(clone, "checkout", "-q", "--detach")
    done = person.paas("new-app", str(clone))
    assert (done.code, "HEAD is detached" in done.err) == (1, True)


def test_a_folder_below_the_top_is_the_context(person: Person, clone: Path) -> None:
    (clone / "services" / "web").mkdir(parents=True)
    (clone / "services" / "web" / "Dockerfile").write_text("FROM scratch\n")
    person.paas("new-app", str(clone / "services" / "web")).ok()
    config = person.cluster(lambda c: c.get(BUILDCONFIG, Key(person.project, "web")))
    assert config is not None
    assert config["spec"]["source"]["contextDir"] == "services/web"


def test_other_namespaces_are_not_projects(person: Person, clone: Path) -> None:
    person.project = "default"
    done = person.paas("new-app", str(clone))
    assert (done.code, 'namespace "default" is not a project' in done.err) == (1, True)
    person.project = "no-such-project"
    done = person.paas("new-app", str(clone))
    assert done.code == 3
    assert "hint: paas new-project no-such-project" in done.err


def test_a_remote_that_leads_elsewhere_is_not_overwritten(person: Person, clone: Path) -> None:
    git(clone, "remote", "add", "paas", "https://elsewhere.example/shop.git")
    done = person.paas("new-app", str(clone))
    assert done.code == 1
    assert 'the remote "paas" exists already' in done.err
    assert person.cluster(lambda c: c.get(BUILDCONFIG, Key(person.project, "shop"))) is None
    person.paas("new-app", str(clone), "--remote", "deploy").ok()
    assert git(clone, "remote").split() == ["deploy", "paas"]


def test_a_further_clone_is_connected(person: Person, clone: Path, tmp_path: Path) -> None:
    person.paas("new-app", str(clone)).ok()
    git(tmp_path, "clone", "-q", str(clone), "other")
    person.paas("git-remote", "shop", "-C", str(tmp_path / "other")).ok()
    assert git(tmp_path / "other", "remote", "get-url", "paas").strip().endswith("/shop.git")
    assert person.paas("git-remote", "nothing", "-C", str(clone)).code == 3


def test_get_lists_and_finds(person: Person, clone: Path) -> None:
    empty = person.paas("get").ok()
    assert (empty.out, empty.err) == ("", f'No resources found in project "{person.project}".\n')
    person.paas("new-app", str(clone)).ok()
    listed = person.paas("get").ok().out
    assert [line.split()[0] for line in listed.splitlines() if "/" in line] == [
        "buildconfig/shop",
        "imagestream/shop",
        "deploymentconfig/shop",
        "route/shop",
    ]
    assert person.paas("get", "bc", "--no-headers").ok().out.split()[0] == "shop"
    assert json.loads(person.paas("get", "dc/shop", "-o", "json").ok().out)["kind"] == "DeploymentConfig"
    assert person.paas("get", "bc,dc", "-o", "name").ok().out.splitlines() == [
        "buildconfig.paas.dev/shop",
        "deploymentconfig.paas.dev/shop",
    ]
    assert person.paas("get", "apps").ok().out.splitlines()[1].split()[:3] == ["shop", "<none>", "0/1"]
    missing = person.paas("get", "bc", "nothing")
    assert (missing.code, missing.out) == (3, "")
    assert 'error: buildconfig "nothing" not found' in missing.err


def test_set_env_edits_the_template_and_nothing_else(person: Person, clone: Path) -> None:
    person.paas("new-app", str(clone)).ok()

    def template() -> Manifest:
        found = person.cluster(lambda c: c.get(DEPLOYMENTCONFIG, Key(person.project, "shop")))
        assert found is not None
        return dict(found["spec"]["template"])

    before = template()
    person.paas("set", "env", "shop", "A=1", "B=two words").ok()
    after = template()
    container = after["spec"]["containers"][0]
    assert container.pop("env") == [
        {"name": "PORT", "value": "3000"},
        {"name": "A", "value": "1"},
        {"name": "B", "value": "two words"},
    ]
    before["spec"]["containers"][0].pop("env")
    assert after == before
    assert person.paas("set", "env", "shop", "--list").ok().out == "PORT=3000\nA=1\nB=two words\n"
    assert "unchanged" in person.paas("set", "env", "dc/shop", "A=1").ok().out
    assert person.paas("set", "env", "nothing", "A=1").code == 3


VALUES = {
    "DOLLARS": "a$$b$$ $(PORT) $(NOBODY) ${PORT} 5$",
    "QUOTES": "'single' \"double\" `back` \\n",
    "LINES": "-----BEGIN KEY-----\n\tabc\n\n-----END KEY-----\n",
    "SPACES": "  two  spaces  ",
    "EQUALS": "k=v=w==",
    "EMOJI": "🎈 grüße 日本",
    "BREAKS": "a\u0085b\u2028c\ufeffd\x7fe",
    "YAML": "yes",
    "EMPTY": "",
}


def test_values_arrive_as_they_were_given(person: Person, clone: Path) -> None:
    """By both commands, through the DeploymentConfig, to the Deployment whose pods get them."""
    first = [f"--env={name}={value}" for name, value in VALUES.items()]
    person.paas("new-app", str(clone), *first).ok()
    person.paas("set", "env", "shop", *(f"{name}_2={value}" for name, value in VALUES.items())).ok()

    async def deployed() -> dict[str, str]:
        async with await Cluster.connect(person.kubeconfig) as cluster:
            key = Key(person.project, "shop")
            config = await cluster.get(DEPLOYMENTCONFIG, key)
            assert config is not None
            made: Manifest = {
                "apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind,
                "metadata": {"name": "shop", "namespace": person.project},
                "spec": {
                    "selector": {"matchLabels": config["spec"]["selector"]},
                    "template": config["spec"]["template"],
                },
            }  # fmt: skip
            await cluster.apply(made, manager="test")
            found = await cluster.get(DEPLOYMENT, key)
        assert found is not None
        env = found["spec"]["template"]["spec"]["containers"][0]["env"]
        return {entry["name"]: entry.get("value", "") for entry in env}

    manifest = asyncio.run(deployed())
    got = {name: expanded(value, manifest) for name, value in manifest.items()}
    assert got == {"PORT": "3000", **VALUES, **{f"{name}_2": value for name, value in VALUES.items()}}
    lone = person.paas("set", "env", "shop", "A=1", "B=caf\udce9")
    assert (lone.code, "the value of B is not valid UTF-8" in lone.err) == (2, True)
    lone = person.paas("new-app", str(clone), "--name", "other", "--env", "B=caf\udce9")
    assert (lone.code, "the value of B is not valid UTF-8" in lone.err) == (2, True)
    assert person.paas("get", "dc", "-o", "name").ok().out == "deploymentconfig.paas.dev/shop\n"


def test_delete_takes_an_application_and_says_what_goes_with_it(person: Person, clone: Path) -> None:
    person.paas("new-app", str(clone)).ok()
    person.paas("new-app", str(clone), "--name", "other", "--remote", "other").ok()
    done = person.paas("delete", "app", "shop").ok()
    assert done.out.splitlines() == [
        "route.paas.dev/shop deleted",
        "service/shop deleted",
        "deploymentconfig.paas.dev/shop deleted",
        "buildconfig.paas.dev/shop deleted",
        "imagestream.paas.dev/shop deleted",
    ]
    assert "the repository hosted here (kept for 7 days" in done.err
    assert person.paas("get", "apps", "-o", "name").ok().out == "app/other\n"
    assert person.paas("delete", "app", "shop").code == 3
    assert person.paas("delete", "bc", "other").ok().out == "buildconfig.paas.dev/other deleted\n"
    assert person.paas("delete").code == 2
    assert person.paas("delete", "dc").code == 2
    person.paas("delete", "--all").ok()
    assert person.paas("get", "-o", "name").ok().out == ""


def test_status_says_what_to_do_next(person: Person, clone: Path) -> None:
    assert "paas new-app" in person.paas("status").ok().err
    assert json.loads(person.paas("status", "-o", "json").ok().out) == []
    person.paas("new-app", str(clone)).ok()
    said = person.paas("status", "shop").ok().out
    assert said.startswith("shop\n")
    assert "next     git push paas main" in said
    assert person.paas("status", "nothing").code == 3
    one = json.loads(person.paas("status", "shop", "-o", "json").ok().out)
    assert (one["project"], one["name"], one["builds"]) == (person.project, "shop", [])
    assert one["next"][0]["command"].startswith("git push paas")
    assert yaml.safe_load(person.paas("status", "-o", "yaml").ok().out) == [one]
    assert person.paas("status", "-o", "name").ok().out == "app/shop\n"


def test_open_prints_the_address(person: Person, clone: Path) -> None:
    person.paas("new-app", str(clone)).ok()
    assert 'route "shop" has no address yet' in person.paas("open", "shop").err
    route = person.cluster(lambda c: c.get(ROUTE, Key(person.project, "shop")))
    assert route is not None
    person.status(route, {"url": "https://shop.example", "host": "shop.example"})
    key = Key(person.project, "shop")
    starting = person.paas("open", "shop").ok()
    assert starting.out == "https://shop.example\n"
    assert "no pod of dc/shop is ready" in starting.err
    config = person.cluster(lambda c: c.get(DEPLOYMENTCONFIG, key))
    assert config is not None
    person.status(config, {"readyReplicas": 1})
    opened = person.paas("open", "shop").ok()
    assert (opened.out, opened.err) == ("https://shop.example\n", "")
    person.status(config, {"readyReplicas": 0})
    person.cluster(lambda c: c.patch(DEPLOYMENTCONFIG, key, {"spec": {"replicas": 0}}, manager="test"))
    asleep = person.paas("open", "shop").ok()
    assert asleep.out == "https://shop.example\n"
    assert "dc/shop is scaled to 0" in asleep.err
    assert f"hint: kubectl scale dc/shop --replicas 1 -n {person.project}" in asleep.err
    assert person.paas("open", "nothing").code == 3


def test_expose_makes_a_safe_route(person: Person, clone: Path) -> None:
    person.paas("new-app", str(clone)).ok()
    person.paas("expose", "shop", "--name", "extra", "--hostname", "extra.example.com", "--no-wait").ok()
    route = person.cluster(lambda c: c.get(ROUTE, Key(person.project, "extra")))
    assert route is not None
    assert route["spec"]["tls"] == {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}
    assert route["spec"]["port"] == {"targetPort": "http"}
    assert route["metadata"]["labels"]["app.kubernetes.io/part-of"] == "shop"
    assert person.paas("expose", "nothing").code == 3
    for port in ("99", "admin"):
        refused = person.paas("expose", "shop", "--name", "bad", "--port", port)
        assert (refused.code, f'service "shop" has no port {port}' in refused.err) == (3, True)
        assert "hint: --port http; " in refused.err
    assert person.cluster(lambda c: c.get(ROUTE, Key(person.project, "bad"))) is None
    for port in ("http", "80"):
        person.paas("expose", "shop", "--name", f"by-{port}", "--port", port, "--no-wait").ok()
    assert person.paas("expose", "shop", "--name", "bad", "--path", "no-slash").code == 1


def test_expose_tells_what_the_platform_decided(person: Person, clone: Path) -> None:
    """The test is the platform: it decides about the Route that it sees."""
    person.paas("new-app", str(clone)).ok()
    refused = [
        {
            "type": "Admitted", "status": "False", "reason": "HostAlreadyClaimed",
            "message": "demo/web has it", "observedGeneration": 1,
            "lastTransitionTime": "2026-03-04T12:00:00Z",
        }
    ]  # fmt: skip

    async def decide() -> None:
        async with await Cluster.connect(person.kubeconfig) as cluster:
            async for found in observe(cluster, ROUTE, person.project, name="taken"):
                if "taken" in found:
                    status = {"status": {"conditions": refused}}
                    key = Key(person.project, "taken")
                    await cluster.patch(ROUTE, key, status, manager="test", subresource="status")
                    return

    thread = threading.Thread(target=lambda: asyncio.run(decide()))
    thread.start()
    said = person.paas("expose", "shop", "--name", "taken", "--hostname", "taken.example.com")
    thread.join()
    assert said.code == 1
    assert (
        'error: route "taken" exists, but is not published (HostAlreadyClaimed: demo/web has it)' in said.err
    )
    assert f"paas delete route/taken -n {person.project}" in said.err


def test_rollouts_are_asked_for_in_the_spec(person: Person, clone: Path) -> None:
    person.paas("new-app", str(clone)).ok()

    def spec() -> Manifest:
        found = person.cluster(lambda c: c.get(DEPLOYMENTCONFIG, Key(person.project, "shop")))
        assert found is not None
        return dict(found["spec"])

    person.paas("rollout", "latest", "shop").ok()
    first = spec()["rollout"]["latest"]
    person.paas("rollout", "latest", "dc/shop").ok()
    assert spec()["rollout"]["latest"] != first
    none = person.paas("rollout", "undo", "shop")
    assert (none.code, "no revision to go back to" in none.err) == (1, True)
    assert "is not held" in person.paas("unpin", "shop").ok().out


def test_someone_without_rights_is_told_so(person: Person, tmp_path: Path) -> None:
    done = visitor(person, tmp_path, resources=[]).paas("get")
    assert (done.code, done.out) == (4, "")
    assert f'error: you may not list buildconfigs in project "{person.project}"' in done.err


def visitor(person: Person, folder: Path, *, resources: list[str]) -> Person:
    """Somebody with a token who may read everything in the project and create these of our kinds."""
    where = {"name": "visitor", "namespace": person.project}
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    rules = [
        {"apiGroups": ["paas.dev"], "resources": resources, "verbs": ["create", "patch"]},
        {"apiGroups": ["", "paas.dev"], "resources": ["*"], "verbs": ["get"]},
    ]
    role_ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "visitor"}
    subjects = [{"kind": "ServiceAccount", **where}]
    info = {"name": "info-readers", "namespace": "paas-system"}
    readers = [
        {**rbac, "kind": "Role", "metadata": info,
         "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]},
        {**rbac, "kind": "RoleBinding", "metadata": info, "roleRef": {**role_ref, "name": "info-readers"},
         "subjects": [{"kind": "Group", "name": "system:authenticated", "apiGroup": role_ref["apiGroup"]}]},
    ]  # fmt: skip
    person.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": where})
    if resources:
        person.create(
            {**rbac, "kind": "Role", "metadata": where, "rules": rules},
            {**rbac, "kind": "RoleBinding", "metadata": where, "roleRef": role_ref, "subjects": subjects},
            *readers,
        )
    token = person.cluster(lambda c: token_of(c, person.project, "visitor"))
    config = yaml.safe_load(person.kubeconfig.read_text())
    for user in config["users"]:
        user["user"] = {"token": token}
    mine = folder / "visitor"
    mine.write_text(yaml.safe_dump(config))
    return Person(mine, person.home, person.project)
