"""The refusals recorded from Docker 28.5.2, asked of this engine: same status, same words.

Where ours differ, DEVIATIONS says why; the test fails for a deviation that is not listed, and for one that is gone.
"""

from __future__ import annotations

import ast
import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.images import busybox_tar
from tests.unit.api.recorded import recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.client import Client

# cases about objects that come later, or that need another machine
_LATER = re.compile(
    r"^(network (connect|name conflict|unknown driver|bad subnet|host bits|gateway|overlap|swarm)|connect |disconnect |"
    r"remove network in use|pull|push|build: |auth: |import: no source|start: port already|create: static address|"
    r"start: static address|start: unknown network|load: empty tar|create: name taken, bad image|exec start twice|"
    r"ambiguous id|top bad ps)"
)

# the names that the image has before a case
TAGS = {
    "remove image in use (running)": ("1",),
    "force remove image in use": ("1",),
    "remove image by id, several tags": ("1", "2"),
    "remove one of several tags in use": ("1", "2"),
}

# what is asked before a failing start: the body of the create request
STARTS: dict[str, dict[str, Any]] = {
    "start: command not found": {"Cmd": ["nosuch"]},
    "start: not executable": {"Cmd": ["/etc/passwd"]},
    "start: no such user": {"User": "nosuch"},
    "start: no such group": {"User": "0:nosuch"},
    "start: bind source missing (volume-style creates it)": {"Cmd": ["true"]},
    "start: bind file on directory": {"HostConfig": {"Binds": ["/etc/hostname:/tmp"]}},
    "start: device missing": {
        "HostConfig": {
            "Devices": [{"PathOnHost": "/dev/nosuch", "PathInContainer": "/dev/x", "CgroupPermissions": "r"}]
        }
    },
    "start: container network not running": {"HostConfig": {"NetworkMode": "container:rec-cr"}},
}

DEVIATIONS: dict[str, str] = {
    "not found GET /v1.51/distribution/localhost:1/x/json": "registries come later",
    "stop bad signal": "400: it is the client's mistake, as in kill",
    "create: bad security option": "400: it is the client's mistake",
    "create: bind not absolute": "400: it is the client's mistake",
    "create: bind bad mode": "400: it is the client's mistake",
    "create: bind too many fields": "400: it is the client's mistake",
    "create: bind to /": "400: it is the client's mistake",
    "create: unknown network (fails at start)": "user-defined networks come later and are refused, not forgotten",
    "create: bad protocol": "published ports come later and are refused, not forgotten",
    "create: bad host ip": "published ports come later and are refused, not forgotten",
    "create: bad userns mode": "user namespaces come later and are refused, not forgotten",
    "archive PUT: not a tar": "400, and where the archive is wrong",
}


class Objects:
    """The objects that the cases speak of, and their ids."""

    def __init__(self, client: Client) -> None:
        self.client = client
        reply = client(
            "POST", "/images/create", busybox_tar(), fromSrc="-", repo="rec-bb", tag="1", changes='CMD ["/bin/sh"]'
        )
        assert reply.status == 200, reply.body
        client("POST", "/images/rec-bb:1/tag", repo="rec-bb", tag="2")
        client("POST", "/volumes/create", {"Name": "rec-v"})
        sleeping = {"Image": "rec-bb:1", "Cmd": ["sleep", "600"]}
        again = {"HostConfig": {"RestartPolicy": {"Name": "always"}}}
        self.ids = {
            "<created>": self._create("rec-cr", {"Image": "rec-bb:1"}),
            "<volc>": self._create("rec-volc", {"Image": "rec-bb:1", "HostConfig": {"Binds": ["rec-v:/v"]}}),
            "<running>": self._create("rec-r", sleeping, start=True),
            "<paused>": self._create("rec-p", sleeping, start=True),
            "<restarting>": self._create("rec-rs", {"Image": "rec-bb:1", "Cmd": ["false"], **again}, start=True),
            "<tty>": self._create("rec-tt", sleeping | {"Tty": True}, start=True),
            "<image>": client("GET", "/images/rec-bb:1/json").json["Id"].partition(":")[2],
        }
        client("POST", "/containers/rec-p/pause")

    def _create(self, name: str, body: dict[str, Any], *, start: bool = False) -> str:
        reply = self.client("POST", "/containers/create", body, name=name)
        assert reply.status == 201, reply.body
        if start:
            assert self.client("POST", f"/containers/{name}/start").status == 204
        return str(reply.json["Id"])

    def name_image(self, *tags: str) -> None:
        """Give it exactly these tags."""
        self.client("POST", f"/images/{self.ids['<image>']}/tag", repo="rec-bb", tag="0")
        for tag in ("1", "2"):
            if tag in tags:
                self.client("POST", "/images/rec-bb:0/tag", repo="rec-bb", tag=tag)
            else:
                self.client("DELETE", f"/images/rec-bb:{tag}", force=1)
        self.client("DELETE", "/images/rec-bb:0")

    def until_restarting(self) -> None:
        """The container that fails again and again waits longer each time: long enough for a question."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = self.client("GET", "/containers/rec-rs/json").json
            if found["State"]["Status"] == "restarting" and found["RestartCount"] >= 4:
                return
        raise TimeoutError("rec-rs does not wait for its restart")

    def pattern(self, text: str) -> str:
        """A recorded message as a regular expression with our ids."""
        pattern = re.escape(text)
        for word, value in self.ids.items():
            pattern = pattern.replace(word, value)
        pattern = pattern.replace("<image12>", self.ids["<image>"][:12])
        # descriptors and flags mean nothing to a reader
        pattern = re.sub(r",\\ dstFd=.*?(?=:\\ )", "", pattern)
        return re.sub(r"<\w+>", "[0-9a-f]{64}", re.sub(r"<\w+12>", "[0-9a-f]{12}", pattern))

    def path(self, path: str) -> str:
        return path.replace("<image>", self.ids["<image>"]).replace("<id>", "f" * 64)

    def remove(self) -> None:
        for name in ("rec-cr", "rec-volc", "rec-r", "rec-p", "rec-rs", "rec-tt", "rec-sf"):
            self.client("DELETE", f"/containers/{name}", force=1, v=1)
        self.client("DELETE", "/volumes/rec-v")


@pytest.fixture(scope="module")
def objects(client: Client) -> Iterator[Objects]:
    objects = Objects(client)
    yield objects
    objects.remove()


def ask(client: Client, objects: Objects, case: dict[str, Any]) -> tuple[int, str]:
    """(status, message) of our answer."""
    body = case.get("body")
    headers = dict(case.get("headers") or {})
    if isinstance(body, dict):
        body = json.dumps(body)
        headers["Content-Type"] = "application/json"
    elif isinstance(body, str) and body.startswith("b'"):
        body = ast.literal_eval(body) if body.endswith("'") else bytes(1024)
    reply = client.raw(case["method"], objects.path(case["path"]), body, headers)
    # what was made by mistake, or on purpose, must not be in the way of later cases
    if reply.status == 201 and "/containers/create" in case["path"]:
        client("DELETE", f"/containers/{reply.json['Id']}")
    return reply.status, reply.message


def expected(case: dict[str, Any]) -> str | None:
    """The recorded text; None where only the status counts."""
    if "message" in case:
        return str(case["message"])
    reply = case.get("reply")
    return reply if isinstance(reply, str) else None


def deviation(client: Client, objects: Objects, case: dict[str, Any]) -> str:
    """What differs; "" when nothing does."""
    if case["case"] in STARTS:
        client("DELETE", "/containers/rec-sf", force=1)
        reply = client("POST", "/containers/create", {"Image": "rec-bb:1", **STARTS[case["case"]]}, name="rec-sf")
        if reply.status != 201:
            return f"create: {reply.status} {reply.message}"
    if case["case"] in TAGS:
        objects.name_image(*TAGS[case["case"]])
    if "rec-rs" in case["path"]:
        objects.until_restarting()
    status, message = ask(client, objects, case)
    if case["case"] in TAGS:
        objects.name_image("1")
    text = expected(case)
    if status != case["status"] or (text and not re.fullmatch(objects.pattern(text), message)):
        return f"{status} {message!r} instead of {case['status']} {text!r}"
    if state := case.get("State"):
        if state["Status"] == "exited":
            client("POST", "/containers/rec-sf/wait")
        ours = client("GET", "/containers/rec-sf/json").json["State"]
        found = {key: ours[key] for key in ("Status", "ExitCode")}
        if found != {key: state[key] for key in found}:
            return f"state {found} instead of {state}"
    return ""


def test_all_cases(client: Client, objects: Objects) -> None:
    found: dict[str, str] = {}
    asked = 0
    for number, case in enumerate(recorded("errors")):
        if _LATER.match(case["case"]):
            continue
        asked += 1
        key = case["case"] if case["case"] != "not found" else f"not found {case['method']} {case['path']}"
        if said := deviation(client, objects, case):
            found[key] = f"#{number} {case['method']} {case['path']}: {said}"
    unlisted = [f"{key}\n    {said}" for key, said in found.items() if key not in DEVIATIONS]
    gone = [key for key in DEVIATIONS if key not in found]
    assert asked > 150
    assert not unlisted, f"{len(unlisted)} of {asked} differ:\n" + "\n".join(unlisted)
    assert not gone, f"no deviations any more: {gone}"
