"""Descriptors, manifests and indexes of the OCI image specification 1.1, and Docker's older names for them.

Blobs are kept as they came; these structs read them and write new ones. Unknown fields are ignored when read.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from estiba.errors import InvalidArgument

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = LAYER + "+gzip"
LAYER_ZSTD = LAYER + "+zstd"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
INDEXES = frozenset({INDEX, DOCKER_LIST})
MANIFESTS = frozenset({MANIFEST, DOCKER_MANIFEST})
CONFIGS = frozenset({CONFIG, DOCKER_CONFIG})

REF_NAME = "org.opencontainers.image.ref.name"
IMAGE_NAME = "io.containerd.image.name"
"""The annotation with the whole reference: ref.name holds only the tag in what Docker writes."""

LARGEST_DOCUMENT = 16 << 20
"""Bytes; no manifest, index or config is larger."""


class _Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Base: immutable, the specification's names, absent fields left out."""


class Platform(_Document, frozen=True, kw_only=True):
    """What an image runs on."""

    architecture: str = ""
    os: str = ""
    os_version: str = msgspec.field(default="", name="os.version")
    os_features: list[str] | None = msgspec.field(default=None, name="os.features")
    variant: str = ""


class Descriptor(_Document, frozen=True, kw_only=True):
    """A blob: what it is, its digest and its size in bytes."""

    media_type: str = ""
    digest: str
    size: int
    urls: list[str] | None = None
    annotations: dict[str, str] | None = None
    platform: Platform | None = None
    artifact_type: str = ""


class Manifest(_Document, frozen=True, kw_only=True):
    """One image: a config and its layers, bottom first."""

    schema_version: int = msgspec.field(default=0)
    media_type: str = ""
    artifact_type: str = ""
    config: Descriptor
    layers: list[Descriptor]
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None


class Index(_Document, frozen=True, kw_only=True):
    """Several manifests: platforms of one image, or the content of a layout."""

    schema_version: int = msgspec.field(default=0)
    media_type: str = ""
    artifact_type: str = ""
    manifests: list[Descriptor] = msgspec.field(default_factory=list)
    annotations: dict[str, str] | None = None


T = TypeVar("T")


def decode(kind: type[T], data: bytes, what: str) -> T:
    """Read JSON. Raises InvalidArgument: cannot read WHAT: where and why."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidArgument(f"cannot read {what}: {error}") from error


def encode(document: msgspec.Struct) -> bytes:
    """Write compact JSON; equal documents give equal bytes."""
    return msgspec.json.encode(document)
