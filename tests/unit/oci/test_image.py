from __future__ import annotations

import json

import pytest

from estiba.errors import InvalidArgument
from estiba.oci import image, manifest

DOCKERS = b"""{"architecture":"amd64","comment":"my msg","config":{"Hostname":"","Domainname":"","User":"",
"AttachStdin":false,
"ExposedPorts":{"80/tcp":{}},"Env":["A=b"],"Cmd":["/hello"],"Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":5000000000
},"Image":"","Volumes":null,"WorkingDir":"/w","Entrypoint":null,"OnBuild":null,"Labels":{"k":"v"},"StopSignal":"TERM"},
"container_config":{"Cmd":null},"created":"2026-11-24T11:33:50.690157272Z","docker_version":"28.5.2",
"history":[{"created":"2026-11-24T11:33:50.690157272Z","comment":"my msg"}],"os":"linux",
"rootfs":{"type":"layers","diff_ids":["sha256:c9f6df22ddb4ded303ab202a7a1a04d7be3da5c85853c16f55ffc576dc64c410"]}}"""


def test_reads_what_docker_writes() -> None:
    config = image.decode(DOCKERS)
    assert config.architecture == "amd64"
    assert config.defaults.cmd == ["/hello"]
    assert config.defaults.volumes is None
    assert config.defaults.healthcheck == image.Healthcheck(test=["CMD-SHELL", "true"], interval=5_000_000_000)
    assert config.defaults.stop_signal == "TERM"
    assert config.history == [image.History(created="2026-11-24T11:33:50.690157272Z", comment="my msg")]
    assert len(config.diff_ids) == 1


def test_absent_and_null_are_the_same() -> None:
    config = image.decode(b'{"history": null, "rootfs": null, "config": {"User": null, "Env": null}, "created": null}')
    assert config == image.ImageConfig(config=image.Defaults())
    assert config.diff_ids == []


def test_written_configs_read_back() -> None:
    config = image.ImageConfig(
        architecture="arm64",
        os="linux",
        variant="v8",
        os_version="1",
        config=image.Defaults(on_build=["RUN x"], args_escaped=True, exposed_ports={"80/tcp": {}}),
    )
    data = manifest.encode(config)
    assert image.decode(data) == config
    assert json.loads(data)["os.version"] == "1"
    assert json.loads(data)["config"] == {"OnBuild": ["RUN x"], "ArgsEscaped": True, "ExposedPorts": {"80/tcp": {}}}


@pytest.mark.parametrize("data", [b"", b"garbage", b"[]", b'{"config": 3}', b'{"rootfs": {"diff_ids": "x"}}', b"\xff"])
def test_garbage(data: bytes) -> None:
    with pytest.raises(InvalidArgument, match="cannot read the image configuration"):
        image.decode(data)


def test_manifest_names() -> None:
    descriptor = manifest.Descriptor(
        media_type=manifest.LAYER, digest="sha256:" + "a" * 64, size=3, platform=manifest.Platform(os_version="1")
    )
    document = manifest.Manifest(schema_version=2, config=descriptor, layers=[descriptor])
    data = manifest.encode(document)
    assert manifest.decode(manifest.Manifest, data, "m") == document
    assert json.loads(data)["config"]["platform"] == {"os.version": "1"}
    assert json.loads(data)["schemaVersion"] == 2
    with pytest.raises(InvalidArgument, match=r"cannot read the manifest: .*config"):
        manifest.decode(manifest.Manifest, b"{}", "the manifest")
