"""Words that people know from Heroku, oc and kubectl, and what does the same here."""

from __future__ import annotations

from typing import Final

_KUBECTL: Final = (
    "annotate", "apply", "attach", "autoscale", "auth", "cp", "create", "debug", "diff", "edit", "exec",
    "explain", "label", "patch", "port-forward", "proxy", "replace", "scale", "taint", "top", "wait",
)  # fmt: skip
_EXAMPLES: Final = {
    "apply": "apply -f app.yaml",
    "autoscale": "autoscale dc/APP --min 1 --max 5",
    "edit": "edit dc/APP",
    "exec": "exec -it POD -- sh",
    "explain": "explain dc.spec",
    "port-forward": "port-forward svc/APP 8080",
    "scale": "scale dc/APP --replicas 2",
}
_OURS: Final = {
    # Heroku
    "addons": "paas get all lists what an application has",
    "apps": "paas status, or: paas get apps",
    "builds": "paas get builds",
    "config": "paas set env APP --list, and paas set env APP NAME=VALUE",
    "config:get": "paas set env APP --list",
    "config:set": "paas set env APP NAME=VALUE",
    "config:unset": "paas set env APP NAME-",
    "deploy": "git push paas main, or: paas rollout latest APP",
    "destroy": "paas delete app APP",
    "domains": "paas get routes, and paas expose SERVICE --hostname www.example.com",
    "domains:add": "paas expose SERVICE --hostname www.example.com",
    "env": "paas set env APP --list, and paas set env APP NAME=VALUE",
    "git:remote": "paas git-remote APP",
    "info": "paas status APP",
    "log": "paas logs APP",
    "ps": "paas status, or: paas get pods",
    "ps:restart": "paas rollout latest APP",
    "ps:scale": "kubectl scale dc/APP --replicas 2",
    "pull": "git pull paas main",
    "push": "git push paas main",
    "releases": "paas rollout history APP",
    "restart": "paas rollout latest APP",
    "run": "kubectl exec -it POD -- COMMAND",
    "secrets": "paas get secrets",
    # oc
    "api-resources": "kubectl api-resources; paas get KIND takes them all",
    "cluster-info": "paas doctor, and: kubectl cluster-info",
    "console": "paas status APP",
    "describe": "paas status APP, or: paas get KIND/NAME -o yaml",
    "history": "paas rollout history APP",
    "import-image": "paas get imagestreams lists the images that builds made",
    "login": "export KUBECONFIG=FILE; on this machine: export KUBECONFIG=$(paas kubeconfig)",
    "logout": "unset KUBECONFIG",
    "new-build": "paas new-app",
    "pause": 'kubectl patch dc/APP --type merge -p \'{"spec":{"paused":true}}\'',
    "projects": "paas get projects",
    "redeploy": "paas rollout latest APP",
    "resume": 'kubectl patch dc/APP --type merge -p \'{"spec":{"paused":false}}\'',
    "rollback": "paas rollout undo APP",
    "rsh": "kubectl exec -it POD -- sh",
    "start": "paas start-build APP, or on this machine: paas up",
    "stop": "paas cancel-build BUILD, or on this machine: paas down",
    "undo": "paas rollout undo APP",
    "version": "paas --version",
    "whoami": "kubectl auth whoami",
    # what a project is called elsewhere
    "create-project": "paas new-project NAME",
    "namespace": "paas project",
    "namespaces": "paas get projects",
    "use": "paas project NAME",
}
WORDS: Final[dict[str, str]] = {
    **{word: f"kubectl {_EXAMPLES.get(word, word)}" for word in _KUBECTL},
    **_OURS,
}
IN_ROLLOUT: Final[dict[str, str]] = {
    "pause": 'kubectl patch dc/APP --type merge -p \'{"spec":{"paused":true}}\'',
    "resume": 'kubectl patch dc/APP --type merge -p \'{"spec":{"paused":false}}\'',
    "restart": "paas rollout latest APP",
    "retry": "paas rollout latest APP",
    "rollback": "paas rollout undo APP",
    "unpin": "paas unpin APP",
}
IN_SET: Final[dict[str, str]] = {
    "image": "git push paas main builds a new image; rollouts follow it",
    "resources": "kubectl edit dc/APP",
    "volume": "kubectl edit dc/APP",
    "volumes": "kubectl edit dc/APP",
    "probe": "kubectl edit dc/APP",
    "triggers": "kubectl edit dc/APP",
}
