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
_RIGHTS: Final = (
    "kubectl create rolebinding NAME --clusterrole=edit --user=PERSON -n PROJECT; the roles are view, edit "
    "and admin"
)
_OURS: Final = {
    # Heroku
    "access": _RIGHTS,
    "addons": "there are none; run the database in the project (kubectl apply -f db.yaml), and give the "
    "application its address: paas set env APP DATABASE_URL=…",
    "apps": "paas status, or: paas get apps",
    "authorizations": "kubectl create token ACCOUNT -n PROJECT makes a token for a program",
    "buildpacks": "the source decides, and a Dockerfile wins; paas new-app --dry-run says what it finds",
    "builds": "paas get builds",
    "certs": "the platform makes certificates for its own domain; see: paas get routes -o wide",
    "config": "paas set env APP --list, and paas set env APP NAME=VALUE",
    "config:get": "paas set env APP --list",
    "config:set": "paas set env APP NAME=VALUE",
    "config:unset": "paas set env APP NAME-",
    "container": "commit a Dockerfile and git push paas main",
    "dashboard": "there is none; paas status APP shows everything at one look",
    "deploy": "git push paas main, or: paas rollout latest APP",
    "destroy": "paas delete app APP",
    "domains": "paas get routes, and paas expose SERVICE --hostname www.example.com",
    "domains:add": "paas expose SERVICE --hostname www.example.com",
    "domains:remove": "paas delete route NAME",
    "drains": "there are none; paas logs -f APP",
    "dyno": "paas status, or: paas get pods",
    "env": "paas set env APP --list, and paas set env APP NAME=VALUE",
    "git:remote": "paas git-remote APP",
    "info": "paas status APP",
    "keys": "git needs none after: paas git-remote APP",
    "local": "run the application yourself, with PORT set; paas up is a whole cluster on this machine",
    "log": "paas logs APP",
    "maintenance": "there is none; to stop serving: kubectl scale dc/APP --replicas 0",
    "members": _RIGHTS,
    "pg": "there are no databases; run one in the project: kubectl apply -f db.yaml",
    "pipelines": "there are none; make a project for each stage: paas new-project staging",
    "plugins": "there are none; a program paas-NAME is no command of paas",
    "ps": "paas status, or: paas get pods",
    "ps:exec": "kubectl exec -it POD -- sh",
    "ps:restart": "paas rollout latest APP",
    "ps:scale": "kubectl scale dc/APP --replicas 2",
    "pull": "git pull paas main",
    "push": "git push paas main",
    "redis": "there is none; run one in the project: kubectl apply -f redis.yaml",
    "releases": "paas rollout history APP",
    "restart": "paas rollout latest APP",
    "run": "kubectl exec -it POD -- COMMAND",
    "secrets": "paas get secrets",
    "sharing": _RIGHTS,
    "teams": _RIGHTS,
    # oc
    "adm": "kubectl drain, kubectl top and kubectl create rolebinding; for this machine: paas doctor",
    "api-resources": "kubectl api-resources; paas get KIND takes them all",
    "cluster-info": "paas doctor, and: kubectl cluster-info",
    "console": "paas status APP",
    "describe": "paas status APP, or: paas get KIND/NAME -o yaml",
    "extract": "kubectl get secret NAME -o yaml",
    "history": "paas rollout history APP",
    "idle": "kubectl scale dc/APP --replicas 0",
    "image": "paas get imagestreams lists the images that builds made",
    "import-image": "paas get imagestreams lists the images that builds made",
    "login": "export KUBECONFIG=FILE; on this machine: export KUBECONFIG=$(paas kubeconfig)",
    "logout": "unset KUBECONFIG",
    "new-build": "paas new-app",
    "pause": 'kubectl patch dc/APP --type merge -p \'{"spec":{"paused":true}}\'',
    "policy": _RIGHTS,
    "process": "there are no templates yet; kubectl apply -f takes plain objects",
    "projects": "paas get projects",
    "redeploy": "paas rollout latest APP",
    "resume": 'kubectl patch dc/APP --type merge -p \'{"spec":{"paused":false}}\'',
    "rollback": "paas rollout undo APP",
    "rsh": "kubectl exec -it POD -- sh",
    "rsync": "kubectl cp FOLDER POD:/FOLDER",
    "serviceaccounts": "kubectl create token ACCOUNT -n PROJECT makes a token for a program",
    "start": "paas start-build APP, or on this machine: paas up",
    "stop": "paas cancel-build BUILD, or on this machine: paas down",
    "tag": "there is none; each build sets APP:latest, and to go back: paas rollout undo APP",
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
