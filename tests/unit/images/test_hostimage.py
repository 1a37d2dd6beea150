"""What of a machine's /etc the image `host` shows, on a machine made up for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from estiba.images.hostimage import scan

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's files are shown: needs root to make some")

HARMLESS = {
    "passwd": b"root:x:0:0::/root:/bin/sh\n",
    "group": b"root:x:0:\n",
    "pam.d/common-password": b"password requisite pam_unix.so\n",
    "nsswitch.conf": b"passwd: files\n",
    "app/settings.conf": b"# password = example\nuser = me\n",
}
SECRET = {
    "shadow": b"root:x:1::::::\n",
    "shadow-": b"root:x:1::::::\n",
    "passwd-": b"root:x:0:0::/root:/bin/sh\n",
    "ssh/ssh_host_rsa_key": b"x",
    "ssl/private/a.pem": b"x",
    "app/server.pem": b"-----BEGIN RSA PRIVATE KEY-----\n",
    "apt/sources.list": b"deb https://me:hunter2@example.com/debian x main\n",
    "app/db.conf": b"user = me\npassword = hunter2\n",
    "app/env": b"API_KEY=abc\n",
    "krb5.keytab": b"x",
    "machine-id": b"0123\n",
    "hosts": b"10.0.0.1 internal\n",
    "apt/auth.conf.d/a": b"x",
}


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    for name, content in {**HARMLESS, **SECRET}.items():
        path = tmp_path / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o644)
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "etc/alternatives").mkdir()
    (tmp_path / "etc/alternatives/keytool").symlink_to("/usr/bin/x")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/private").write_bytes(b"x")
    return tmp_path


def shown(machine: Path) -> dict[str, bytes]:
    return {file.path: file.content for file in scan(str(machine)).files}


def test_only_what_is_harmless(machine: Path) -> None:
    found = shown(machine)
    for name, content in HARMLESS.items():
        assert found[f"etc/{name}"] == content
    for name in SECRET:
        assert f"etc/{name}" not in found
    assert found["etc/alternatives/keytool"] == b""
    assert "root/private" not in found
    assert scan(str(machine)).overlays == (("/usr", str(machine / "usr")),)


def test_only_what_everyone_may_read_and_root_owns(machine: Path) -> None:
    (machine / "etc/passwd").chmod(0o600)
    os.chown(machine / "etc/group", 1000, 0)
    (machine / "etc/app").chmod(0o700)
    found = shown(machine)
    assert not {"etc/passwd", "etc/group", "etc/app", "etc/app/settings.conf"} & set(found)


def test_links_do_not_lead_out(machine: Path) -> None:
    (machine / "etc/link").symlink_to("../root")
    (machine / "etc/shown").symlink_to("shadow")
    found = scan(str(machine))
    assert [f.link for f in found.files if f.path == "etc/link"] == ["../root"]
    assert not any("private" in f.path for f in found.files)
    assert [f.content for f in found.files if f.path == "etc/shown"] == [b""]


def test_the_digest_follows_the_content(machine: Path) -> None:
    before = scan(str(machine)).digest
    assert scan(str(machine)).digest == before
    (machine / "etc/passwd").write_bytes(b"other\n")
    assert scan(str(machine)).digest != before
