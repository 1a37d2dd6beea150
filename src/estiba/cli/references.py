"""Image references as the command needs them: completed with docker.io/library and :latest for the API, shortened for
people.
"""

from __future__ import annotations

from estiba.cli.session import CommandError

_SYSTEMS = ("linux", "windows", "darwin", "freebsd")
_HEX = frozenset("0123456789abcdef")
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-/")
_TAG = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


def split(reference: str) -> tuple[str, str, str]:
    """Name (as written), tag and digest of a reference; missing parts are empty."""
    name, _, digest = reference.partition("@")
    head, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:
        return head, tag, digest
    return name, "", digest


def normal_name(name: str) -> str:
    """``debian`` → ``docker.io/library/debian``, ``host:5000/x`` as it is."""
    domain, slash, _ = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    if domain in ("docker.io", "index.docker.io"):
        rest = name.partition("/")[2]
        return f"docker.io/{rest}" if "/" in rest else f"docker.io/library/{rest}"
    if "." in domain or ":" in domain or domain == "localhost" or domain != domain.lower():
        return name
    return f"docker.io/{name}"


def familiar(name: str) -> str:
    """The short form that people write."""
    for prefix in ("docker.io/library/", "docker.io/"):
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def is_id(reference: str) -> bool:
    """64 hexadecimal digits, with or without ``sha256:``: an image's id, not a name."""
    digits = reference.removeprefix("sha256:")
    return len(digits) == 64 and set(digits) <= _HEX


def check(reference: str) -> None:
    """Refuse what cannot be a reference. Raises CommandError with Docker's words."""
    name, tag, digest = split(reference)
    path = normal_name(name).partition("/")[2]
    if not name or (":" in reference.partition("@")[0][-1:]) or "//" in name or name.endswith("/"):
        raise CommandError("invalid reference format")
    if path != path.lower():
        raise CommandError(f"invalid reference format: repository name ({path}) must be lowercase")
    if set(path) - _NAME or not all(part[0].isalnum() and part[-1].isalnum() for part in path.split("/")):
        raise CommandError("invalid reference format")
    if set(tag) - _TAG or tag[:1] in (".", "-") or len(tag) > 128:
        raise CommandError("invalid reference format")
    if digest and (":" not in digest or len(digest.partition(":")[2]) < 32):
        raise CommandError("invalid reference format")


def complete(reference: str) -> str:
    """With :latest when neither tag nor digest is given."""
    _, tag, digest = split(reference)
    return reference if tag or digest else f"{reference}:latest"


def for_pull(reference: str) -> tuple[str, str]:
    """The API's fromImage and tag (which may be a digest)."""
    name, tag, digest = split(reference)
    return normal_name(name), digest or tag or "latest"


def platform_json(text: str) -> str | None:
    """``linux/arm64/v8`` as the API's JSON; None for an empty text."""
    if not text:
        return None
    parts = text.split("/")
    if len(parts) > 3 or not all(parts):
        raise CommandError(f'"{text}": unknown operating system or architecture: invalid argument')
    if len(parts) == 1 and parts[0] not in _SYSTEMS:
        parts = ["linux", parts[0]]
    keys = ("os", "architecture", "variant")
    return "{" + ",".join(f'"{key}":"{part}"' for key, part in sorted(zip(keys, parts, strict=False))) + "}"
