"""Published escapes by files, links and archives, tried here: each shows that it fails. The numbers are CVEs."""

from __future__ import annotations

import io
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.e2e.hostile import link, look, make_image, regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.api.client import Client, EngineProcess
    from tests.support.command import Command

COPIES = 300


@pytest.fixture
def client(shared_engine: EngineProcess) -> Client:
    return shared_engine.client


@contextmanager
def swapping(docker: Command, attack: str, prepare: str, *names: str, options: tuple[str, ...] = ()) -> Iterator[str]:
    """A container that exchanges a name with others all the time."""
    command = f"{prepare}; echo ready; exec /estiba-attack swap {' '.join(names)}"
    bind = f"{attack}:/estiba-attack:ro"
    with docker.background(
        "run", "--rm", "--name", "swapping", "-v", bind, *options, "bb", "sh", "-c", command
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield "swapping"
        finally:
            docker("kill", "swapping")
            process.wait(20)


def archive(*members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            if member.isreg():
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content) if member.isreg() else None)
    return buffer.getvalue()


class TestRaces:
    def test_cp_while_the_container_swaps(self, docker: Command, client: Client, attack: str, canary: Path) -> None:
        """2018-15664: a component of the path becomes a link out between every two looks."""
        (canary / "given").write_text("x")
        before = look(canary)
        prepare = f"mkdir -p /race/a/d; echo inside > /race/a/secret; ln -s {canary} /race/b; ln -s / /race/c"
        upload = archive(regular("secret"), regular("d/planted"), content=b"from a copy\n")
        with swapping(docker, attack, prepare, "/race/a", "/race/b", "/race/c") as name:
            taken = 0
            for _ in range(COPIES // 3):
                got = client("GET", f"/containers/{name}/archive", path="/race/a/secret")
                if got.status == 200:
                    with tarfile.open(fileobj=io.BytesIO(got.body)) as tar:
                        file = tar.extractfile("secret")
                        assert file is None or file.read() in (b"inside\n", b"from a copy\n")
                        taken += 1
                client("GET", f"/containers/{name}/archive", path="/race/a")
                client("PUT", f"/containers/{name}/archive", upload, path="/race/a")
            assert taken > 0
        assert look(canary) == before
        (canary / "given").unlink()

    def test_cp_below_a_volume_whose_parent_is_swapped(
        self, docker: Command, client: Client, attack: str, canary: Path
    ) -> None:
        """2026-41568, 2026-42306: volumes are not mounted anew by their path."""
        prepare = f"mkdir -p /a/b; ln -s {canary} /a/l"
        with swapping(
            docker, attack, prepare, "/a/b", "/a/l", options=("-v", "/a/b/volume", "--tmpfs", "/a/b/t")
        ) as name:
            for _ in range(COPIES // 6):
                client("PUT", f"/containers/{name}/archive", archive(regular("x")), path="/a/b/volume")
                client("GET", f"/containers/{name}/archive", path="/a/b/volume")

    def test_export_commit_and_diff_while_it_swaps(
        self, docker: Command, client: Client, attack: str, canary: Path
    ) -> None:
        prepare = f"mkdir -p /race/a; ln -s {canary} /race/b"
        with swapping(docker, attack, prepare, "/race/a", "/race/b") as name:
            for _ in range(5):
                exported = client("GET", f"/containers/{name}/export")
                assert b"of the host" not in exported.body
                client("GET", f"/containers/{name}/changes")
                made = client("POST", "/commit", container=name, pause=0)
                saved = client("GET", f"/images/{made.json['Id']}/get").body
                assert b"of the host" not in saved
                client("DELETE", f"/images/{made.json['Id']}")

    def test_a_volume_s_subpath_that_is_swapped(
        self, docker: Command, client: Client, attack: str, canary: Path
    ) -> None:
        """At starts, and when files are copied into and out of a container that does not run."""
        docker("run", "--rm", "-v", "parts:/v", "bb", "mkdir", "/v/a")
        mount = {"Type": "volume", "Source": "parts", "Target": "/m", "VolumeOptions": {"Subpath": "a"}}
        body = {"Image": "bb", "Cmd": ["ls", "/m"], "HostConfig": {"Mounts": [mount]}}
        client("POST", "/containers/create", body, name="part")
        with swapping(docker, attack, f"ln -s {canary} /v/b", "/v/a", "/v/b", options=("-v", "parts:/v")):
            for _ in range(40):
                client("PUT", "/containers/part/archive", archive(regular("planted")), path="/m")
                got = client("GET", "/containers/part/archive", path="/m/secret")
                assert b"of the host" not in got.body
                if client("POST", "/containers/part/start").status == 204:
                    client("POST", "/containers/part/wait")
            assert b"secret" not in client("GET", "/containers/part/logs", stdout=1).body
        docker("rm", "part")
        docker("volume", "rm", "parts")


class TestArchives:
    @pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
    def test_hostile_archives_into_a_container(
        self, docker: Command, client: Client, canary: Path, running: bool
    ) -> None:
        """2014-9356, 2026-17106: `..`, absolute names, links made first, hard links, directories over links."""
        target, deep = str(canary), "../" * 12
        hard = tarfile.TarInfo("hard")
        hard.type, hard.linkname = tarfile.LNKTYPE, f"{deep}{canary}/secret"
        directory = tarfile.TarInfo("l/")
        directory.type, directory.mode = tarfile.DIRTYPE, 0o777
        tries = [
            archive(regular(f"{deep}{canary}/planted"[1:])),
            archive(regular(f"{canary}/planted")),
            archive(link("l", target), regular("l/planted"), content=b"evil"),
            archive(link("l", target), regular("l/secret"), content=b"evil"),
            archive(link("l", target), directory),
            archive(link("a", ".."), link("b", f"a/..{deep}{canary}"), regular("b/planted")),
            archive(hard, regular("hard"), content=b"evil"),
        ]
        docker("run", "-d", "--name", "unpacking", "bb", "sleep", "60")
        if not running:
            docker("kill", "unpacking")
        try:
            for upload in tries:
                for flag in ("", "true"):
                    client("PUT", "/containers/unpacking/archive", upload, path="/tmp", noOverwriteDirNonDir=flag)
        finally:
            docker("rm", "-f", "unpacking")

    def test_links_at_the_target(self, docker: Command, canary: Path, tmp_path: Path) -> None:
        """2021-41089: neither content nor mode of what a link names on the host."""
        (tmp_path / "secret").write_text("evil")
        (tmp_path / "secret").chmod(0o666)
        links = f"ln -s {canary} /d; ln -s {canary}/secret /f"
        docker("run", "--name", "links", "bb", "sh", "-c", links)
        try:
            for place in ("/d", "/d/", "/d/secret", "/f"):
                docker.result("cp", str(tmp_path / "secret"), f"links:{place}")
                docker.result("cp", "-a", f"{tmp_path}/.", f"links:{place}")
                assert "of the host" not in docker.result("cp", "-L", f"links:{place}", "-").out
        finally:
            docker("rm", "links")

    def test_nothing_of_the_container_is_run(self, docker: Command, client: Client, canary: Path) -> None:
        """2019-14271, 2026-41567: no library and no decompressor of the container's."""
        program = f"#!/bin/sh\ntouch {canary}/ran\n"
        programs = (
            "xz",
            "unxz",
            "gzip",
            "gunzip",
            "unpigz",
            "zstd",
            "tar",
            "docker-untar",
            "modprobe",
            "ldconfig",
            "getent",
        )
        made = "".join(
            f"for d in /bin /usr/bin /usr/sbin /sbin; do mkdir -p $d; cp /x $d/{name}; done;" for name in programs
        )
        script = f"printf '{program}' > /x; chmod 755 /x; mkdir -p /lib/x86_64-linux-gnu; {made}"
        script += "for d in /lib /lib/x86_64-linux-gnu; do "
        script += "for l in libnss_files.so.2 libnss_compat.so.2 libc.so.6; do cp /x $d/$l; done; done"
        docker("run", "--name", "canaries", "bb", "/bin/busybox", "sh", "-c", script)
        try:
            docker("start", "canaries")
            for mode in ("gz", "xz", "bz2", ""):
                buffer = io.BytesIO()
                with tarfile.open(fileobj=buffer, mode=f"w:{mode}") as tar:
                    tar.addfile(regular("x"))
                client("PUT", "/containers/canaries/archive", buffer.getvalue(), path="/tmp")
                client("GET", "/containers/canaries/archive", path="/etc")
            client("GET", "/containers/canaries/export")
            docker("commit", "canaries", "canaries")
            docker("run", "--rm", "-u", "user", "canaries", "/bin/busybox", "true")
            docker("rmi", "canaries")
        finally:
            docker("rm", "-f", "canaries")


class TestImages:
    def test_volumes_that_lead_out(self, docker: Command, canary: Path) -> None:
        """2022-23648: what an image's VOLUME names is copied from the image alone."""
        image = make_image(docker, "outside", link("l", str(canary)), VOLUME=f'["/l", "/../..{canary}"]')
        out = docker.result(
            "run", "--rm", image, "sh", "-c", f"ls /l {canary}; cat /l/secret {canary}/secret; touch /l/x"
        )
        assert "of the host" not in out.out
        docker("rmi", image)

    def test_places_that_lead_out(self, docker: Command, canary: Path, tmp_path: Path) -> None:
        """Working directories, mount points, devices and files of the engine, through links of the image."""
        image = make_image(docker, "leading", link("l", str(canary)), link("etc", str(canary)))
        (tmp_path / "file").write_text("x")
        tries = (
            ("-w", "/l/new"),
            ("-w", "/l/../new"),
            ("-v", "/l/volume"),
            ("-v", f"{tmp_path}/file:/l/file"),
            ("-v", f"{tmp_path}/file:/l/secret"),
            ("--tmpfs", "/l/t"),
            ("--tmpfs", "/l"),
            ("--device", "/dev/null:/l/null"),
            ("-u", "of the host"),
        )
        for options in tries:
            result = docker.result("run", "--rm", *options, image, "/bin/busybox", "cat", "/l/secret")
            assert "of the host\n" not in result.out, options
        docker("rmi", image)

    def test_accounts_that_lead_out(self, docker: Command, canary: Path) -> None:
        """passwd and group are the image's own, or none."""
        (canary / "passwd").write_text("outsider:x:0:0::/:/bin/sh\n")
        image = make_image(docker, "accounts", link("etc/passwd", f"{canary}/passwd"), link("etc/group", "/dev/zero"))
        assert "unable to find user outsider" in docker.error("run", "--rm", "-u", "outsider", image, "id", code=125)
        assert docker("run", "--rm", "-u", "5:6", image, "id", "-u") == "5"
        docker("rmi", image)
        (canary / "passwd").unlink()
