"""Data files and modules that programs open by name: what no ELF header tells."""

from __future__ import annotations

import glob
import os
import re
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from estiba.images.elf import Elf

_PYTHON: Final = re.compile(r"python3?(?:\.\d+)?")
_PERL: Final = re.compile(r"perl(?:5[.\d]*)?")
_SECONDS: Final = 20

# What a library opens by name.
_BY_LIBRARY: Final = {
    "libtinfo.so": "terminfo",
    "libncurses.so": "terminfo",
    "libncursesw.so": "terminfo",
    "libssl.so": "certificates",
    "libcrypto.so": "openssl",
    "libgnutls.so": "certificates",
    "libmagic.so": "magic",
}
_BY_PROGRAM: Final = ("git", "vim", "ssh")
_TERMINALS: Final = "ansi dumb linux rxvt* screen screen-256color tmux tmux-256color vt100 vt220 xterm xterm-*"
_PATHS: Final = {
    "libc": ("/etc/ld.so.cache", "/usr/lib/locale/C.utf8", "/etc/protocols", "/etc/services"),
    "certificates": ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/openssl.cnf"),
    "openssl": ("/etc/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf", "/usr/lib/*/ossl-modules"),
    "magic": ("/usr/share/misc/magic", "/usr/share/misc/magic.mgc", "/usr/lib/file/magic.mgc"),
    "git": ("/usr/lib/git-core", "/usr/libexec/git-core", "/usr/share/git-core"),
    "vim": ("/usr/share/vim",),
    "ssh": ("/etc/ssh/ssh_config",),
}  # fmt: skip


def needed_by(path: str, elf: Elf | None) -> list[str]:
    """Which kinds of data a file needs, by its own name and the libraries that it names."""
    name = os.path.basename(path)
    plain = name.partition(".")[0]
    kinds = [plain] if plain in _BY_PROGRAM else []
    if elf is not None and _PYTHON.fullmatch(name):
        kinds.append("python")
    if elf is not None and _PERL.fullmatch(name):
        kinds.append("perl")
    for library in elf.needed if elf else ():
        kind = _BY_LIBRARY.get(library.partition(".so")[0] + ".so")
        if kind is not None:
            kinds.append(kind)
    return kinds


def paths(kind: str, program: str) -> list[str]:
    """The files and directories of a kind that this machine has. `program` is asked for its own modules."""
    if kind == "python":
        found = _ask(program, "-I", "-c", _PYTHON_LIBRARY)
    elif kind == "python packages":
        found = _ask(program, "-I", "-c", _PYTHON_PACKAGES)
    elif kind == "perl":
        found = [path for path in _ask(program, "-e", 'print "$_\\n" for @INC') if path.startswith("/usr/")]
    elif kind == "terminfo":
        found = [
            path
            for top in ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo")
            for terminal in _TERMINALS.split()
            for path in glob.glob(f"{top}/?/{terminal}")
        ]
    else:
        found = [path for pattern in _PATHS.get(kind, ()) for path in glob.glob(pattern)]
    return [path for path in found if os.path.lexists(path)]


_PYTHON_LIBRARY: Final = """
import sysconfig
print(sysconfig.get_path("stdlib"))
print(sysconfig.get_path("platstdlib"))
"""
_PYTHON_PACKAGES: Final = """
import site
for directory in site.getsitepackages():
    print(directory)
"""


def is_python(program: str) -> bool:
    """Whether a path names an interpreter of Python."""
    return _PYTHON.fullmatch(os.path.basename(os.path.realpath(program))) is not None


def is_dispensable(directory: str, name: str) -> bool:
    """Whether a directory of a program's modules can be left out: caches, tests, what only developers use."""
    if name in ("__pycache__", "idlelib", "turtledemo", "ensurepip", "lib2to3"):
        return True
    return name in ("test", "tests") and "/python3" in directory


def _ask(program: str, *arguments: str) -> list[str]:
    """What an interpreter of this machine prints about itself; [] when it fails."""
    try:
        answer = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return os.fsdecode(answer.stdout).split("\n")
