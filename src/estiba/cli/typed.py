"""Objects of the API with the shape that Docker's client gives them: what is null or left out prints as an empty
list, map or pointer.

Docker's command decodes into Go structs before it runs a template: a null list prints ``[]``, a missing map
``map[]``, a missing pointer ``<nil>``, and a field that the struct does not have is an error. The schemas here name
just those fields, and the structs among the dicts.
"""

from __future__ import annotations

from estiba.cli.templates import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Schema = dict[str, "Schema | Empty | str | int | bool"]


class Empty:
    """A typed null: prints as ``text``, is false, and null in JSON."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return False


# Go fields whose JSON keys differ by more than case
_OTHER_KEYS = {"AuxAddress": "AuxiliaryAddresses"}
LIST, MAP, POINTER = Empty("[]"), Empty("map[]"), Empty("<nil>")


class PointerTo(Empty):
    """A struct that may be missing."""

    def __init__(self, schema: Schema) -> None:
        super().__init__("<nil>")
        self.schema = schema


class MapOf(Empty):
    """A map whose values are structs, or lists of them."""

    def __init__(self, schema: Schema) -> None:
        super().__init__("map[]")
        self.schema = schema


class Typed(Record):
    """A struct: a dict of the API seen through a schema."""

    def __init__(self, value: dict[str, Any], schema: Schema, type_name: str = "", *, as_raw: bool = False) -> None:
        self.value = value
        self.schema = schema
        self.type_name = type_name
        # Docker tries inspect's templates a second time on the plain JSON, whose error is the one shown
        self.as_raw = as_raw

    def field(self, name: str, _arguments: list[object]) -> object:
        key = self._key(name)
        shape = self.schema.get(key)
        value = self.value.get(key)
        if value is None:
            if shape is None and key not in self.value:
                raise KeyError(name)
            return self._wrap({}, shape) if isinstance(shape, dict) and not self.as_raw else shape
        if isinstance(shape, MapOf) and isinstance(value, dict):
            return {key: self._wrap(item, shape.schema) for key, item in value.items()}
        if isinstance(shape, PointerTo):
            shape = shape.schema
        return self._wrap(value, shape) if isinstance(shape, dict) else value

    def has(self, name: str) -> bool:
        return self.value.get(self._key(name)) is not None

    def _key(self, name: str) -> str:
        """The JSON's key for a Go field: they differ in case here and there (ID and Id, DNS and Dns)."""
        if name in self.value or name in self.schema or not name[:1].isupper():
            return name
        name = _OTHER_KEYS.get(name, name)
        return next((key for key in (*self.value, *self.schema) if key.lower() == name.lower()), name)

    def _wrap(self, value: object, schema: Schema) -> object:
        if isinstance(value, dict):
            return Typed(value, schema, as_raw=self.as_raw)
        return [self._wrap(item, schema) for item in value] if isinstance(value, list) else value

    def as_map(self) -> dict[str, object]:
        return self.value

    def as_struct(self) -> list[object]:
        """The values in order, as Go prints a struct."""
        return [self.field(name, []) for name in self.value]


_RESOURCES: Schema = dict.fromkeys(
    (
        "BlkioWeightDevice",
        "BlkioDeviceReadBps",
        "BlkioDeviceWriteBps",
        "BlkioDeviceReadIOps",
        "BlkioDeviceWriteIOps",
        "Devices",
        "DeviceCgroupRules",
        "DeviceRequests",
        "Ulimits",
    ),
    LIST,
)
_HOST: Schema = {
    **_RESOURCES,
    **dict.fromkeys(
        ("Binds", "VolumesFrom", "CapAdd", "CapDrop", "Dns", "DnsOptions", "DnsSearch", "ExtraHosts"), LIST
    ),
    **dict.fromkeys(("GroupAdd", "Links", "SecurityOpt", "Mounts", "MaskedPaths", "ReadonlyPaths"), LIST),
    **dict.fromkeys(("StorageOpt", "Tmpfs", "Sysctls", "Annotations"), MAP),
    "PortBindings": MapOf({}),
    **dict.fromkeys(("MemorySwappiness", "OomKillDisable", "PidsLimit", "Init"), POINTER),
    "LogConfig": {"Config": MAP},
    "RestartPolicy": {},
    "KernelMemory": 0,
    "Runtime": "",
}
_CONFIG: Schema = {
    **dict.fromkeys(("Env", "Cmd", "Entrypoint", "OnBuild", "Shell"), LIST),
    **dict.fromkeys(("ExposedPorts", "Volumes", "Labels"), MAP),
    "Healthcheck": PointerTo(
        {"Test": LIST, "Interval": 0, "Timeout": 0, "StartPeriod": 0, "StartInterval": 0, "Retries": 0}
    ),
    "StopSignal": "",
    "StopTimeout": POINTER,
    "MacAddress": "",
    "ArgsEscaped": False,
    "NetworkDisabled": False,
}
CONTAINER: Schema = {
    "Args": LIST,
    "ExecIDs": LIST,
    "Mounts": {"Name": "", "Driver": ""},
    "SizeRw": POINTER,
    "SizeRootFs": POINTER,
    "State": {"Health": PointerTo({"Log": LIST})},
    "HostConfig": _HOST,
    "GraphDriver": {"Data": MAP},
    "Config": _CONFIG,
    "ImageManifestDescriptor": POINTER,
    "NetworkSettings": {
        "Ports": MapOf({}),
        "Networks": MapOf({"Links": LIST, "Aliases": LIST, "DNSNames": LIST, "DriverOpts": MAP, "IPAMConfig": POINTER}),
        "SecondaryIPAddresses": LIST,
        "SecondaryIPv6Addresses": LIST,
    },
}
IMAGE: Schema = {
    "RepoTags": LIST,
    "RepoDigests": LIST,
    "Config": _CONFIG,
    "GraphDriver": {"Data": MAP},
    "RootFS": {"Layers": LIST},
    "Metadata": {},
    "Variant": "",
    "OsVersion": "",
    "Container": "",
    "VirtualSize": 0,
    "Descriptor": POINTER,
    "Manifests": LIST,
}
NETWORK: Schema = {
    "Options": MAP,
    "Labels": MAP,
    "Containers": MAP,
    "IPAM": {"Options": MAP, "Config": {"Gateway": "", "IPRange": "", "AuxiliaryAddresses": MAP}},
    "ConfigFrom": {},
    "Peers": LIST,
    "Services": MAP,
}
VOLUME: Schema = {
    "Labels": MAP,
    "Options": MAP,
    "Status": MAP,
    "UsageData": POINTER,
    "ClusterVolume": POINTER,
    "CreatedAt": "",
}
EVENT: Schema = {
    **dict.fromkeys(("status", "id", "from", "Type", "Action", "scope"), ""),
    "Actor": {"Attributes": MAP, "ID": ""},
    "time": 0,
    "timeNano": 0,
}
SERVER: Schema = {
    "Platform": {"Name": ""},
    "Components": {"Details": MAP},
    "KernelVersion": "",
    "Experimental": False,
    "BuildTime": "",
}
INFO: Schema = {
    **dict.fromkeys(
        ("DriverStatus", "SystemStatus", "GenericResources", "Labels", "SecurityOptions", "Warnings"), LIST
    ),
    **dict.fromkeys(("CDISpecDirs", "DiscoveredDevices", "DefaultAddressPools", "ServerErrors", "ClientErrors"), LIST),
    "Plugins": {"Authorization": LIST, "Volume": LIST, "Network": LIST, "Log": LIST},
    "Runtimes": MAP,
    "RegistryConfig": {"Mirrors": LIST, "InsecureRegistryCIDRs": LIST, "IndexConfigs": MAP},
    "Swarm": {"RemoteManagers": LIST, "Cluster": POINTER},
    "ContainerdCommit": {},
    "RuncCommit": {},
    "InitCommit": {},
    "ClientInfo": {},
    "ProductLicense": "",
}
