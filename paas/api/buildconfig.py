"""BuildConfig as people and controllers write it, with OpenShift's field names.

A BuildConfig says where source is, how to build it and where the image goes. OpenShift's fields that are
not built yet are in the schema and refused by CEL with a message that names them; unknown ones would be
pruned in silence.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from paas.api.base import Column, ConditionType, Kind, Model, NameRule, Opaque, unsupported
from paas.api.build_strategy import Output, Resources, Strategy
from paas.api.buildconfig_status import BuildConfigStatus
from paas.api.common import (
    LocalReference,
    ObjectName,
    RelativePath,
    ShortName,
    Text,
    below,
)
from paas.api.names import Condition, Reason
from paas.api.resources import BUILDCONFIG

ANNOTATION_PAUSED: Final = "paas.dev/paused"
"""On a BuildConfig: `true` means that no Build of it is made."""


class SourceType(StrEnum):
    """Where the source of a Build comes from."""

    HOSTED = "Hosted"
    """The repository on this platform."""
    EXTERNAL = "External"
    """An https repository elsewhere."""


class GitSource(Model):
    """A git repository. Without `uri` it is the one hosted here; its address is in status.repository."""

    uri: Annotated[str, Field(max_length=2048)] | None = None
    """Address of an external repository, such as `https://git.example/team/shop.git`. Absent: the platform
    hosts the repository."""
    ref: Annotated[str, Field(max_length=250, pattern=r"^[^-\s~^:?*\[\\][^\s~^:?*\[\\]*$")] | None = None
    """Branch (or, for an external repository, tag or commit); absent means the repository's HEAD."""
    poll_interval_seconds: int | None = Field(default=None, ge=60, le=86400)
    """How often the git host is asked whether the branch moved, for deliveries of its webhook that got lost;
    absent means never, and every 10 minutes where there is a Generic trigger."""
    http_proxy: Text | None = None
    """Proxy for http."""
    https_proxy: Text | None = None
    """Proxy for https."""
    no_proxy: Text | None = None
    """Hosts that are reached without a proxy."""
    cel = (
        *unsupported("httpProxy", "httpsProxy", "noProxy"),
        (
            r"!has(self.uri) || self.uri.matches('^https://[A-Za-z0-9.\\[\\]:-]+/[^\\s#?]*[^\\s#?/]$')",
            "uri must be an https address without user, query or fragment, as https://host/team/repo.git; "
            "leave it out to host the repository here (ssh and git are not supported yet)",
        ),
        ("!has(self.uri) || !self.uri.contains('@')", "uri must not contain a user; use sourceSecret"),
        (
            "!has(self.pollIntervalSeconds) || has(self.uri)",
            "pollIntervalSeconds is for an external repository: set uri, or leave pollIntervalSeconds out",
        ),
    )


class BuildSource(Model):
    """Where source comes from. An empty one is the repository hosted here."""

    type: Annotated[str, Field(max_length=32)] | None = None
    """Git, the one there is; leave it out."""
    git: GitSource = GitSource()
    """The repository and the branch that is built."""
    context_dir: RelativePath | None = None
    """The folder of the repository that is built; absent means its root."""
    dockerfile: Annotated[str, Field(max_length=60000)] | None = None
    """A Dockerfile written here, which replaces the one of the source."""
    source_secret: LocalReference | None = None
    """Secret with `username` and `password` of an external repository."""
    binary: Opaque | None = None
    """Source that is uploaded with the request."""
    images: list[Opaque] | None = Field(default=None, max_length=16)
    """Files that are copied out of other images."""
    secrets: list[Opaque] | None = Field(default=None, max_length=16)
    """Secrets that are copied into the source."""
    config_maps: list[Opaque] | None = Field(default=None, max_length=16)
    """ConfigMaps that are copied into the source."""
    cel = (
        *unsupported("binary", "images", "secrets", "configMaps"),
        below("contextDir"),
        ("!has(self.type) || self.type == 'Git'", "type is not supported yet other than Git"),
        (
            "!has(self.sourceSecret) || has(self.git.uri)",
            "sourceSecret is for an external repository: set git.uri, or leave sourceSecret out",
        ),
    )

    @property
    def kind(self) -> SourceType:
        return SourceType.EXTERNAL if self.git.uri else SourceType.HOSTED


class WebHookTrigger(Model):
    """Which Secret's key `WebHookSecretKey` a git host signs with, or a generic webhook is sent with."""

    secret_reference: LocalReference | None = None
    """The Secret whose key `WebHookSecretKey` a git host signs with, or a generic webhook is sent with."""
    secret: Text | None = None
    """The key in plain text."""
    allow_env: bool | None = None
    """Whether the webhook may set the environment of the build."""
    cel = (
        *unsupported("allowEnv"),
        (
            "!has(self.secret)",
            "secret in plain text is not supported yet; put it in a Secret under the key WebHookSecretKey "
            "and name that in secretReference",
        ),
        (
            "has(self.secretReference)",
            "secretReference is missing: name a Secret with the key WebHookSecretKey",
        ),
    )


class BuildTrigger(Model):
    """What makes a Build by itself, besides a push to the hosted repository."""

    type: Annotated[str, Field(max_length=32)]
    """GitHub: a webhook of GitHub starts a build. Generic: a POST of anybody who has the secret does.
    ConfigChange: one build when the BuildConfig is created."""
    github: WebHookTrigger | None = None
    """Who may send GitHub's webhooks; needed with type GitHub."""
    gitlab: Opaque | None = None
    """GitLab's webhooks."""
    gitea: Opaque | None = None
    """Gitea's webhooks."""
    bitbucket: Opaque | None = None
    """Bitbucket's webhooks."""
    generic: WebHookTrigger | None = None
    """Who may send webhooks of anything else; needed with type Generic."""
    image_change: Opaque | None = None
    """A build when a base image's tag moves."""
    cel = (
        (
            "self.type in ['GitHub', 'Generic', 'ConfigChange']",
            "type is not supported yet other than GitHub, Generic and ConfigChange; leave the trigger out",
        ),
        *unsupported("gitlab", "gitea", "bitbucket", "imageChange"),
        (
            "self.type != 'Generic' || has(self.generic)",
            "generic is missing: a Generic trigger needs generic.secretReference",
        ),
        (
            "self.type != 'GitHub' || has(self.github)",
            "github is missing: a GitHub trigger needs github.secretReference",
        ),
    )


class BuildConfigSpec(Model):
    """Where the source is, how it becomes an image, and where the image goes."""

    source: BuildSource = BuildSource()
    """Where the source comes from."""
    strategy: Strategy = Strategy()
    """How the source becomes an image."""
    output: Output
    """Where the image goes."""
    triggers: list[BuildTrigger] = Field(default=[], max_length=20)
    """What starts a build, besides a push to the hosted repository and `paas start-build`."""
    run_policy: Annotated[str, Field(max_length=32)] = "Serial"
    """Serial: the builds run one after the other, in the order of their numbers."""
    successful_builds_history_limit: int | None = Field(default=None, ge=0, le=1000)
    """How many Builds that completed are kept. Absent: all; `new-app` writes 5."""
    failed_builds_history_limit: int | None = Field(default=None, ge=0, le=1000)
    """How many Builds that failed or were cancelled are kept. Absent: all; `new-app` writes 5."""
    resources: Resources | None = None
    """Requests and limits of the build container."""
    completion_deadline_seconds: int | None = Field(default=None, ge=1, le=604800)
    """A build that takes longer fails; absent means the platform's limit."""
    service_account: ObjectName | None = None
    """builder, the one there is; leave it out."""
    node_selector: Annotated[dict[str, ShortName], Field(max_length=32)] | None = None
    """Labels of the nodes on which builds may run."""
    mount_trusted_ca: bool | None = Field(default=None, alias="mountTrustedCA")
    """Whether the cluster's trusted certificates are mounted into the build."""
    post_commit: Opaque | None = None
    """A test that runs in the finished image before it is pushed."""
    revision: Opaque | None = None
    """A commit that is built instead of the branch's newest; use `paas start-build --commit`."""
    cel = (
        *unsupported("mountTrustedCA", "postCommit", "revision"),
        ("self.runPolicy == 'Serial'", "runPolicy is not supported yet other than Serial"),
        (
            "!has(self.serviceAccount) || self.serviceAccount == 'builder'",
            "serviceAccount is not supported yet other than builder; build pods have no API token",
        ),
    )


KIND: Final = Kind(
    resource=BUILDCONFIG,
    singular="buildconfig",
    short_names=("bc",),
    spec=BuildConfigSpec,
    status=BuildConfigStatus,
    columns=(
        Column("Latest", ".status.lastVersion", "integer"),
        Column("Status", ".status.lastBuild.phase"),
        Column("Commit", ".status.lastBuild.commit"),
        Column("Repository", ".status.repository", priority=1),
        Column("Source", ".spec.source.git.uri", priority=1),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
    conditions=(
        ConditionType(
            Condition.READY,
            "Builds can start.",
            (
                Reason.RECONCILED,
                Reason.INVALID_SPEC,
                Reason.REFUSED,
                Reason.RECONCILE_FAILED,
                Reason.FETCH_SOURCE_FAILED,
                Reason.INVALID_OUTPUT_REFERENCE,
            ),
        ),
        ConditionType(
            Condition.SOURCE_RESOLVED,
            "It is known where the source comes from.",
            (Reason.HOSTED, Reason.EXTERNAL, Reason.FETCH_SOURCE_FAILED),
        ),
        ConditionType(
            Condition.STALLED,
            "No build can start until a person changes something (absent when not).",
            (Reason.INVALID_SPEC, Reason.REFUSED),
        ),
    ),
    example="""\
apiVersion: paas.dev/v1
kind: BuildConfig
metadata:
  name: shop
spec:
  source:
    git:
      uri: https://git.example/team/shop.git
      ref: main
  output:
    to:
      name: shop:latest
  triggers:
    - type: ConfigChange
    - type: GitHub
      github:
        secretReference:
          name: shop-webhook
""",
    name_rule=NameRule(limit=52),
    server_status=frozenset({"deliveries", "head", "waitingPush"}),
)
