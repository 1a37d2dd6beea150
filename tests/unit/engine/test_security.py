"""Options of --security-opt and the rules of --cap-add and --cap-drop."""

from __future__ import annotations

import pytest

from estiba.engine.config import HostConfig
from estiba.engine.spec.security import (
    DEFAULT_CAPABILITIES,
    SecurityOptions,
    check_capabilities,
    effective_capabilities,
    parse_security_options,
)
from estiba.errors import InvalidArgument
from estiba.linux.capabilities import NAMES, mask

AVAILABLE = frozenset(NAMES) - {"CAP_SYS_RESOURCE"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, SecurityOptions()),
        (["no-new-privileges"], SecurityOptions(no_new_privileges=True)),
        (["no-new-privileges=true"], SecurityOptions(no_new_privileges=True)),
        (["no-new-privileges:true"], SecurityOptions(no_new_privileges=True)),
        (["no-new-privileges", "no-new-privileges=false"], SecurityOptions()),
        (["seccomp=unconfined"], SecurityOptions(seccomp="unconfined", seccomp_named=True)),
        (["seccomp=builtin"], SecurityOptions(seccomp_named=True)),
        (["seccomp="], SecurityOptions()),
        (['seccomp={"a":"="}'], SecurityOptions(seccomp='{"a":"="}', seccomp_named=True)),
        (["apparmor=x:y"], SecurityOptions(apparmor="x:y")),
        (["apparmor:unconfined"], SecurityOptions(apparmor="unconfined")),
        (["label=user:u", "label:disable", "disable"], SecurityOptions(labels=("user:u", "disable", "disable"))),
        (["systempaths=unconfined"], SecurityOptions(unmasked=True)),
        (["writable-cgroups=true"], SecurityOptions(writable_cgroups=True)),
    ],
)
def test_options(options: list[str] | None, expected: SecurityOptions) -> None:
    assert parse_security_options(options) == expected


@pytest.mark.parametrize(
    ("option", "number"),
    [
        ("nosuch", 1),
        ("", 1),
        ("seccomp", 1),
        ("foo=bar", 2),
        ("credentialspec=x", 2),
        ("no-new-privileges=x", 2),
        ("writable-cgroups=x", 2),
        ("systempaths=x", 2),
    ],
)
def test_unknown_options_are_refused(option: str, number: int) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_security_options(["no-new-privileges", option])
    assert caught.value.message == f'invalid --security-opt {number}: "{option}"'


def test_the_default_capabilities() -> None:
    assert mask(effective_capabilities(HostConfig(), AVAILABLE)) == 0xA80425FB


def changed(*, add: list[str] | None = None, drop: list[str] | None = None, privileged: bool = False) -> set[str]:
    return set(effective_capabilities(HostConfig(cap_add=add, cap_drop=drop, privileged=privileged), AVAILABLE))


def test_adding_and_dropping() -> None:
    default = set(DEFAULT_CAPABILITIES)
    assert changed(add=["net_admin", "CAP_SYS_PTRACE"]) == default | {"CAP_NET_ADMIN", "CAP_SYS_PTRACE"}
    assert changed(drop=["NET_RAW", "cap_mknod"]) == default - {"CAP_NET_RAW", "CAP_MKNOD"}
    assert changed(add=["ALL"]) == AVAILABLE
    assert changed(add=["all"], drop=["NET_RAW"]) == AVAILABLE - {"CAP_NET_RAW"}
    assert changed(add=["CHOWN"], drop=["ALL"]) == {"CAP_CHOWN"}
    assert changed(drop=["all"]) == set()
    assert changed(add=["CHOWN"], drop=["CHOWN"]) == default
    assert changed(add=["ALL"], drop=["ALL"]) == AVAILABLE
    assert changed(privileged=True, drop=["ALL"]) == AVAILABLE


@pytest.mark.parametrize(
    ("field", "name", "message"),
    [
        ("CapAdd", "NOSUCH", 'invalid CapAdd: unknown capability: "CAP_NOSUCH"'),
        ("CapAdd", "", 'invalid CapAdd: unknown capability: "CAP_"'),
        ("CapDrop", "foo", 'invalid CapDrop: unknown capability: "CAP_FOO"'),
        (
            "CapAdd",
            "sys_resource",
            (
                "invalid CapAdd: capability not supported by your kernel or not available in the current environment: "
                '"CAP_SYS_RESOURCE"'
            ),
        ),
    ],
)
def test_capabilities_that_cannot_be(field: str, name: str, message: str) -> None:
    host = HostConfig(cap_add=[name]) if field == "CapAdd" else HostConfig(cap_drop=[name])
    with pytest.raises(InvalidArgument) as caught:
        check_capabilities(host, AVAILABLE)
    assert caught.value.message == message


def test_known_capabilities_pass() -> None:
    check_capabilities(HostConfig(cap_add=["ALL", "net_admin"], cap_drop=["all", "CAP_KILL"]), AVAILABLE)
