from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from estiba.errors import InvalidArgument, SystemFailure
from estiba.oci.runtime_spec import DeviceCgroup
from estiba.runtime import devices
from estiba.runtime.devices import ALLOW_ALL, DEFAULT_RULES, DENY_ALL, Entry

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("c 1:3 rwm", DeviceCgroup(allow=True, type="c", major=1, minor=3)),
        ("b 8:* r", DeviceCgroup(allow=True, type="b", major=8, access="r")),
        ("a *:* rwm", ALLOW_ALL),
        ("c *:* m", DeviceCgroup(allow=True, type="c", access="m")),
    ],
)
def test_rules_are_parsed(text: str, rule: DeviceCgroup) -> None:
    assert devices.parse_rule(text) == rule


@pytest.mark.parametrize(
    "text", ["", "c", "c 1:3", "d 1:3 r", "c 1 r", "c 1:3 x", "c 1:3 rwmr", "c -1:3 r", "c 1:3 r\n"]
)
def test_rules_that_are_none(text: str) -> None:
    with pytest.raises(InvalidArgument, match=f"invalid device cgroup rule format: '{re.escape(text)}'"):
        devices.parse_rule(text)


@pytest.mark.parametrize(
    ("text", "valid"), [("r", True), ("rwm", True), ("mw", True), ("", False), ("rr", False), ("x", False)]
)
def test_access(text: str, valid: bool) -> None:
    assert devices.is_access(text) == valid


def test_the_default_rules_as_the_v1_controller_shows_them() -> None:
    wanted = devices.policy(DEFAULT_RULES)
    assert not wanted.allow
    assert devices.lines(wanted.exceptions) == [
        "b *:* m",
        "c *:* m",
        *(
            f"c {numbers} rwm"
            for numbers in ("1:3", "1:5", "1:7", "1:8", "1:9", "5:0", "5:1", "5:2", "136:*", "10:200")
        ),
    ]


def allow(text: str) -> DeviceCgroup:
    return devices.parse_rule(text)


def deny(text: str) -> DeviceCgroup:
    rule = devices.parse_rule(text)
    return DeviceCgroup(allow=False, type=rule.type, major=rule.major, minor=rule.minor, access=rule.access)


def test_without_rules_nothing_is_refused() -> None:
    assert devices.policy([]) == devices.Policy(True, ())


def test_a_rule_for_all_starts_anew() -> None:
    assert devices.policy([*DEFAULT_RULES, ALLOW_ALL]) == devices.Policy(True, ())
    assert devices.policy([ALLOW_ALL, DENY_ALL]) == devices.Policy(False, ())


def test_rights_add_up_and_are_taken_back() -> None:
    rules = [DENY_ALL, allow("c 1:3 r"), allow("c 1:3 w"), allow("c 1:5 rwm"), deny("c 1:5 w"), deny("c 1:3 rw")]
    assert devices.policy(rules).exceptions == (Entry("c", 1, 5, 3),)


def test_a_wider_denial_takes_the_narrower_back() -> None:
    assert devices.policy([DENY_ALL, allow("c 1:3 rwm"), allow("b 8:0 r"), deny("c *:* rwm")]).exceptions == (
        Entry("b", 8, 0, 2),
    )


def test_both_kinds_at_once() -> None:
    assert {entry.kind for entry in devices.policy([DENY_ALL, allow("a 7:* r")]).exceptions} == {"b", "c"}


def test_a_hole_in_a_wider_rule_cannot_be_said() -> None:
    with pytest.raises(InvalidArgument, match=r"the device rule c 1:3 rwm contradicts the wider rule for c \*:\*"):
        devices.policy([DENY_ALL, allow("c *:* r"), deny("c 1:3 rwm")])
    assert devices.policy([DENY_ALL, allow("c *:* m"), deny("c 1:3 rw")]).exceptions == (Entry("c", None, None, 1),)


def test_a_device_of_the_host() -> None:
    ((node, rule),) = devices.resolve("/dev/null", "/dev/nil", "rw")
    status = os.stat("/dev/null")
    assert (node.path, node.type, node.major, node.minor) == ("/dev/nil", "c", 1, 3)
    assert (node.file_mode, node.uid, node.gid) == (status.st_mode & 0o7777, status.st_uid, status.st_gid)
    assert rule == DeviceCgroup(allow=True, type="c", major=1, minor=3, access="rw")


def test_links_lead_to_devices(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/zero")
    ((node, _),) = devices.resolve(str(tmp_path / "link"), "/dev/x")
    assert (node.path, node.minor) == ("/dev/x", 5)


def test_what_is_no_device(tmp_path: Path) -> None:
    prefix = 'error gathering device information while adding custom device "'
    with pytest.raises(SystemFailure) as caught:
        devices.resolve("/dev/nope", "/dev/nope")
    assert caught.value.message == f'{prefix}/dev/nope": no such file or directory'
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path):
        with pytest.raises(SystemFailure) as caught:
            devices.resolve(str(path), "/dev/x")
        assert caught.value.message == f'{prefix}{path}": not a device node'


def test_all_devices_of_the_host() -> None:
    found = {device.path: device for device in devices.host_devices()}
    assert found["/dev/null"].minor == 3
    assert not any(path.startswith(("/dev/pts/", "/dev/shm/", "/dev/mqueue/")) for path in found)
    assert "/dev/console" not in found
