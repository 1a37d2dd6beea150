"""``run``, ``start``, ``exec`` and ``wait``: output, exit codes, failures, an engine that goes away meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.cli.recorder import CONTAINER_ID, DROP, INSPECT, NEXT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Run
    from tests.unit.cli.recorder import Recorder

WAIT, START, CREATE = "/wait", "/start", "/containers/create"


def frame(kind: int, payload: bytes) -> bytes:
    return bytes([kind, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


def paths(recorder: Recorder) -> list[str]:
    return [path.replace(CONTAINER_ID, "ID") for _, path, _, _ in recorder.requests]


def test_output_and_exit_code(estiba: Run, recorder: Recorder) -> None:
    recorder.output = frame(1, b"out\n") + frame(2, b"err\n")
    recorder.replies[WAIT] = {"StatusCode": 7}
    assert estiba("run", "img") == (7, "out\n", "err\n")


def test_only_what_was_attached(estiba: Run, recorder: Recorder) -> None:
    recorder.output = frame(1, b"out\n") + frame(2, b"err\n")
    assert estiba("run", "-a", "stderr", "img") == (0, "", "err\n")


def test_detached_prints_the_id(estiba: Run, recorder: Recorder) -> None:
    assert estiba("run", "-d", "img") == (0, CONTAINER_ID + "\n", "")
    assert paths(recorder) == ["/containers/create", "/containers/ID/start"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('exec: "x": executable file not found in $PATH', 127),
        ("stat /x: no such file or directory", 127),
        ('exec: "/x": permission denied', 126),
        ('exec: "/": is a directory', 126),
        ("the engine is on fire", 125),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--rm"], ["-d"], ["-d", "--rm"]])
def test_start_failures(message: str, code: int, flags: list[str], estiba: Run, recorder: Recorder) -> None:
    recorder.replies[START] = (400, {"message": message})
    got, _, err = estiba("run", *flags, "img")
    assert got == code
    assert err == f"estiba: Error response from daemon: {message}\n\nRun 'estiba run --help' for more information\n"
    assert ("/containers/ID/wait" in paths(recorder)) == (flags != ["-d"])


def test_a_missing_image_is_pulled(estiba: Run, recorder: Recorder) -> None:
    found = {"Id": CONTAINER_ID, "Warnings": ["beware"]}
    recorder.replies[CREATE] = [NEXT, (404, {"message": "No such image: img:latest"}), found]
    recorder.replies["/images/create"] = b'{"status":"Pulling","id":"latest"}\r\n{"status":"Done"}\r\n'
    code, out, err = estiba("run", "-d", "img")
    assert (code, out) == (0, CONTAINER_ID + "\n")
    assert err == "Unable to find image 'img:latest' locally\nlatest: Pulling\nDone\nWARNING: beware\n"
    assert paths(recorder) == ["/containers/create", "/images/create", "/containers/create", "/containers/ID/start"]
    assert recorder.requests[1][2] == {"fromImage": "docker.io/library/img", "tag": "latest"}


def test_a_pull_that_fails(estiba: Run, recorder: Recorder) -> None:
    recorder.replies[CREATE] = (404, {"message": "No such image: img:latest"})
    recorder.replies["/images/create"] = b'{"errorDetail":{"message":"no route"},"error":"no route"}\r\n'
    code, _, err = estiba("run", "img")
    assert code == 125
    assert "estiba: no route\n" in err


def test_pull_never(estiba: Run, recorder: Recorder) -> None:
    recorder.replies[CREATE] = (404, {"message": "No such image: img:latest"})
    code, _, err = estiba("run", "--pull", "never", "img")
    assert (code, paths(recorder)) == (125, ["/containers/create"])
    assert "No such image: img:latest" in err


@pytest.mark.parametrize("flags", [[], ["--rm"]])
def test_wait_survives_the_engine(flags: list[str], estiba: Run, recorder: Recorder) -> None:
    recorder.replies[WAIT] = [
        NEXT,
        DROP,
        {"StatusCode": -1, "Error": {"Message": "context canceled"}},
        {"StatusCode": 9},
    ]
    recorder.output = frame(1, b"out\n")
    assert estiba("run", *flags, "img")[:2] == (9, "out\n")
    conditions = [query.get("condition") for _, path, query, _ in recorder.requests if path.endswith("/wait")]
    # "next-exit" may be over while nobody listened: then it is "not running" that counts
    assert conditions == (["removed"] * 3 if flags else ["next-exit", None, None])


def test_wait_for_what_is_gone_meanwhile(estiba: Run, recorder: Recorder) -> None:
    recorder.replies[WAIT] = [NEXT, DROP, (404, {"message": "No such container: x"})]
    recorder.replies["/events"] = b'{"Action":"die","Actor":{"ID":"x","Attributes":{"exitCode":"5"}}}\n'
    assert estiba("run", "--rm", "img")[0] == 5


def test_wait_prints_codes_and_failures(estiba: Run, recorder: Recorder) -> None:
    recorder.replies["/a/wait"] = {"StatusCode": 3}
    recorder.replies["/b/wait"] = (404, {"message": "No such container: b"})
    assert estiba("wait", "a", "b", "a") == (1, "3\n3\n", "Error response from daemon: No such container: b\n")


def test_start_attached(estiba: Run, recorder: Recorder) -> None:
    recorder.output = frame(1, b"again\n")
    recorder.replies[WAIT] = {"StatusCode": 2}
    assert estiba("start", "-a", "x") == (2, "again\n", "")


def test_start_of_several(estiba: Run, recorder: Recorder) -> None:
    recorder.replies["/b/start"] = (404, {"message": "No such container: b"})
    code, out, err = estiba("start", "a", "b", "c")
    assert (code, out) == (1, "a\nc\n")
    assert err == "Error response from daemon: No such container: b\nError: failed to start containers: b\n"


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"Running": False}, "You cannot attach to a stopped container, start it first"),
        ({"Paused": True}, "You cannot attach to a paused container, unpause it first"),
        ({"Restarting": True}, "You cannot attach to a restarting container, wait until it is running"),
    ],
)
def test_attach_refuses(state: dict[str, bool], message: str, estiba: Run, recorder: Recorder) -> None:
    recorder.replies["/json"] = {**INSPECT, "State": {**INSPECT["State"], **state}}  # type: ignore[dict-item]
    assert estiba("attach", "x") == (1, "", message + "\n")


def test_exec(estiba: Run, recorder: Recorder) -> None:
    recorder.output = frame(1, b"out\n") + frame(2, b"err\n")
    recorder.replies["/exec"] = {"Id": "e"}
    recorder.replies["/exec/e/json"] = {"ExitCode": 4}
    assert estiba("exec", "x", "ls", "-l") == (4, "out\n", "err\n")


def test_a_terminal_needs_one(estiba: Run, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder.replies["/exec"] = {"Id": "e"}
    for words in (("run", "-it", "img"), ("exec", "-it", "x", "sh")):
        assert estiba(*words) == (1, "", "the input device is not a TTY\n")
    assert "/containers/create" not in paths(recorder)


def test_cidfile(estiba: Run, recorder: Recorder, tmp_path: Path) -> None:
    file = tmp_path / "cid"
    assert estiba("create", "--cidfile", str(file), "img")[0] == 0
    assert file.read_text() == CONTAINER_ID
    code, _, err = estiba("create", "--cidfile", str(file), "img")
    assert (code, "container ID file found" in err) == (125, True)
    recorder.replies[CREATE] = (500, {"message": "no"})
    other = tmp_path / "other"
    assert estiba("create", "--cidfile", str(other), "img")[0] == 1
    assert not other.exists()
