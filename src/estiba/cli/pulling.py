"""Pulling an image through the engine, with the registry credentials of the user's config.json."""

from __future__ import annotations

from estiba.cli import references
from estiba.cli.progress import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.session import Session

_HUB = "https://index.docker.io/v1/"


def pull(
    session: Session,
    reference: str,
    *,
    platform: str = "",
    quiet: bool = False,
    descriptor: int = 1,
    all_tags: bool = False,
) -> None:
    """Ask the engine to pull; its progress goes to the descriptor (1 or 2).

    Raises:
        ResponseError, CommandError: the engine could not; its own words.
    """
    name, tag = references.for_pull(reference)
    reply = session.client.request(
        "POST",
        "/images/create",
        {"fromImage": name, "tag": None if all_tags else tag, "platform": platform.lower() or None},
        headers={"X-Registry-Auth": authorization(session, name)},
    )
    show(session, reply, descriptor=descriptor, quiet=quiet)


def authorization(session: Session, name: str) -> str:
    """The X-Registry-Auth value for an image name: base64 (URL alphabet) of a JSON object, ``{}`` for anonymous."""
    from base64 import b64decode, urlsafe_b64encode

    from estiba.client.quickjson import dumps

    domain = references.normal_name(name).partition("/")[0]
    registry = _HUB if domain == "docker.io" else domain
    entry: dict[str, Any] = (session.config.get("auths") or {}).get(registry) or {}
    if not entry and _has_helper(session, registry):
        entry = _from_helper(session, registry)
    found: dict[str, str] = {}
    if entry.get("auth"):
        user, _, password = b64decode(entry["auth"]).decode("utf-8", "replace").rstrip("\0").partition(":")
        found.update(username=user, password=password)
    for key, target in (
        ("username", "username"),
        ("password", "password"),
        ("identitytoken", "identitytoken"),
        ("registrytoken", "registrytoken"),
    ):
        if entry.get(key):
            found[target] = entry[key]
    if found:
        found["serveraddress"] = registry
    return urlsafe_b64encode(dumps(found).encode()).decode()


def _has_helper(session: Session, registry: str) -> bool:
    return bool((session.config.get("credHelpers") or {}).get(registry) or session.config.get("credsStore"))


def _from_helper(session: Session, registry: str) -> dict[str, Any]:
    """Ask docker-credential-NAME, as Docker's clients do; an empty answer when it knows nothing."""
    import subprocess

    from estiba.client.quickjson import loads

    helper = (session.config.get("credHelpers") or {}).get(registry) or session.config["credsStore"]
    try:
        done = subprocess.run(
            [f"docker-credential-{helper}", "get"],
            input=registry.encode(),
            capture_output=True,
            check=False,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    if done.returncode:
        return {}
    answer = loads(done.stdout.decode())
    if answer.get("Username") == "<token>":
        return {"identitytoken": answer["Secret"]}
    return {"username": answer["Username"], "password": answer["Secret"]}
