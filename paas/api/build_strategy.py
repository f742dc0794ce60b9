"""How source becomes an image and where the image goes: the same in BuildConfig and Build."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paas.api.base import Model, Opaque, unsupported
from paas.api.common import (
    EnvVar,
    LocalReference,
    Quantities,
    RelativePath,
    ShortName,
    below,
)

OptimizationPolicy = Annotated[
    str, Field(json_schema_extra={"enum": ["None", "SkipLayers", "SkipLayersAndWarn"]}, max_length=32)
]
StreamTag = Annotated[
    str, Field(max_length=190, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")
]


class ImageLabel(Model):
    """A label that is put on the image."""

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]
    """Name of the label."""
    value: Annotated[str, Field(max_length=1024)] = ""
    """Its value."""


class Resources(Model):
    """Requests and limits of the build container; quantities as in a pod."""

    limits: Quantities | None = None
    """The most that the build container may use, such as `memory: 2Gi`; over its memory it is killed."""
    requests: Quantities | None = None
    """What the node must have free for the build container, such as `cpu: 500m`."""
    claims: list[Opaque] | None = Field(default=None, max_length=16)
    """Devices that the container claims."""
    cel = unsupported("claims")


class DockerStrategy(Model):
    """Build by a Dockerfile: the repository's own, or one that a buildpack renders."""

    dockerfile_path: RelativePath | None = None
    """Relative to contextDir; absent means `Dockerfile`, and a buildpack when there is none."""
    no_cache: bool = False
    """True builds every step, without layers that earlier builds left in the cache."""
    force_pull: bool = False
    """Base images are always resolved at the registry, so both values mean the same."""
    build_args: list[EnvVar] | None = Field(default=None, max_length=64)
    """Values for the ARG lines of the Dockerfile."""
    image_optimization_policy: OptimizationPolicy | None = None
    """SkipLayers makes one layer of all steps, None (the default) a layer a step."""
    from_: Opaque | None = Field(default=None, alias="from")
    """An image that replaces the one in the last FROM line."""
    pull_secret: LocalReference | None = None
    """Secret with a password for the registry of base images."""
    env: list[EnvVar] | None = Field(default=None, max_length=64)
    """Environment of every step; use `buildArgs` for the time of the build."""
    volumes: list[Opaque] | None = Field(default=None, max_length=16)
    """Volumes that are mounted during the build."""
    cel = (
        *unsupported("from", "pullSecret", "env", "volumes"),
        below("dockerfilePath"),
        (
            "!has(self.imageOptimizationPolicy) || self.imageOptimizationPolicy != 'SkipLayersAndWarn'",
            "imageOptimizationPolicy SkipLayersAndWarn is not supported yet; use SkipLayers or None",
        ),
    )


class Strategy(Model):
    """How to build: dockerStrategy."""

    type: Annotated[str, Field(max_length=32)] | None = None
    """Docker, the one there is; leave it out."""
    docker_strategy: DockerStrategy = DockerStrategy()
    """Build by a Dockerfile, the repository's own or a buildpack's."""
    source_strategy: Opaque | None = None
    """Source-to-image."""
    custom_strategy: Opaque | None = None
    """A builder image of your own."""
    jenkins_pipeline_strategy: Opaque | None = None
    """A Jenkins pipeline."""
    cel = (
        *unsupported("sourceStrategy", "customStrategy", "jenkinsPipelineStrategy"),
        ("!has(self.type) || self.type == 'Docker'", "type is not supported yet other than Docker"),
    )


class ImageTarget(Model):
    """The stream tag that gets the image: `shop:latest` of the same namespace."""

    kind: Annotated[str, Field(max_length=32)] = "ImageStreamTag"
    """ImageStreamTag."""
    name: StreamTag
    """`<stream>:<tag>`, such as `shop:latest`; the ImageStream must exist before the first build."""
    namespace: ShortName | None = None
    """Project of the stream."""
    cel = (
        ("self.kind == 'ImageStreamTag'", "kind is not supported yet other than ImageStreamTag"),
        ("!has(self.__namespace__)", "namespace is not supported yet; the stream is in the same project"),
    )

    @property
    def stream(self) -> str:
        """Name of the ImageStream."""
        return self.name.partition(":")[0]

    @property
    def tag(self) -> str:
        return self.name.partition(":")[2]


class Output(Model):
    """Where the image goes; without `to` the build is a test only and nothing is pushed in OpenShift,
    which is not supported yet."""

    to: ImageTarget
    """The stream tag that gets the image."""
    image_labels: list[ImageLabel] | None = Field(default=None, max_length=64)
    """Labels for the image, besides those that say which commit and Build it is from."""
    push_secret: LocalReference | None = None
    """Secret with a password for another registry."""
    cel = unsupported("pushSecret")
