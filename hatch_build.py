"""Compiles native/ into the static programs that ship inside the wheel (src/estiba/bin/)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROGRAMS = ("estiba-shim", "hello")
NO_COMPILER = (
    "Estiba's shim is a small C program and needs a C compiler to build: install one first "
    "(Debian: apt install gcc libc6-dev make, optionally musl-tools for a smaller program)."
)


class NativeBuildHook(BuildHookInterface[Any]):
    """Runs native/Makefile and puts its programs into the wheel, tagged for this platform."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the programs; raises RuntimeError with what to install when that cannot work."""
        if self.target_name != "wheel":
            return
        compiler = os.environ.get("CC") or shutil.which("musl-gcc") or shutil.which("gcc") or shutil.which("cc")
        if compiler is None or shutil.which("make") is None:
            raise RuntimeError(NO_COMPILER)
        root = Path(self.root)
        if version == "editable":
            output = root / "src" / "estiba" / "bin"
            output.mkdir(exist_ok=True)
            build_data["artifacts"] = [f"src/estiba/bin/{name}" for name in PROGRAMS]
        else:  # nothing of a build stays in the checkout
            self._temporary = tempfile.TemporaryDirectory(prefix="estiba-build-")
            output = Path(self._temporary.name)
            build_data["force_include"].update({str(output / name): f"estiba/bin/{name}" for name in PROGRAMS})
        subprocess.run(["make", "-s", "-C", str(root / "native"), f"CC={compiler}", f"OUT={output}"], check=True)
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
