"""`estiba image from-host PROGRAM…`: a small image of programs of this machine and everything that they load.

    programs            by path or as the shell would find them
    libraries           what their ELF headers name, with all that those name (elf.py)
    interpreters        of scripts (`#!`, also through env), with the standard library of Python and Perl
    data                what the C library and well-known libraries open by name (locale, terminfo, certificates)

The paths stay as they are on this machine, with the symbolic links on the way.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument, NotFound, SystemFailure
from estiba.images import hostdata
from estiba.images.elf import Elf, find_library, read_elf
from estiba.images.making import Recipe, make
from estiba.images.progress import Progress, check_cancelled, silent
from estiba.images.tar import Entry, Kind
from estiba.images.tarwriter import TarWriter
from estiba.oci.image import Defaults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from threading import Event

    from estiba.images.content import Content
    from estiba.images.image import Image
    from estiba.images.progress import Report
    from estiba.oci.reference import Reference

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOST_LINKS: Final = 40
_READ: Final = 1 << 20
_NAMES = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files dns\n",
}
_DIRECTORIES = {"tmp": 0o1777, "root": 0o700, "etc": 0o755, "proc": 0o555, "sys": 0o555, "dev": 0o755, "run": 0o755}


class Collection:
    """Paths of this machine that an image is to have; adding one adds what it needs."""

    def __init__(self, cancel: Event | None = None) -> None:
        self.files: dict[str, str] = {}
        """Path in the image → path here, for regular files and links."""
        self.warnings: list[str] = []
        self._cancel = cancel
        self._data: set[str] = set()

    def add_program(self, name: str) -> str:
        """A program, by path or by name; its path. Raises NotFound, InvalidArgument."""
        path = name if "/" in name else shutil.which(name, path=PATH)
        if path is None:
            raise NotFound(f"cannot find the program {name}: it is in none of {PATH.replace(':', ', ')}")
        path = os.path.abspath(path)
        if not os.path.isfile(path):
            raise NotFound(f"cannot find the program {name}: there is no file {path}")
        if not os.access(path, os.X_OK):
            raise InvalidArgument(f"cannot take {path} into an image: it is not executable")
        self.add(path)
        return path

    def add(self, path: str) -> None:
        """A file, with the links that lead to it and all that it loads; directories with everything in them."""
        check_cancelled(self._cancel)
        real = self._follow(path)
        if real is None or real in self.files:
            return
        if os.path.isdir(real):
            self.add_directory(real)
            return
        if not stat.S_ISREG(os.stat(real).st_mode):
            return
        self.files[real] = real
        elf = read_elf(real)
        if elf is not None:
            self._add_libraries(real, elf)
        else:
            self._add_interpreter(real)
        for kind in hostdata.needed_by(real, elf):
            self.add_data(kind, real)

    def add_data(self, kind: str, program: str = "") -> None:
        """The data files of a kind (hostdata.py), once."""
        if kind not in self._data:
            self._data.add(kind)
            for path in hostdata.paths(kind, program):
                self.add(path)

    def add_directory(self, top: str) -> None:
        """Everything below a directory, without the caches and tests that programs don't need."""
        for directory, below, names in os.walk(top):
            below[:] = sorted(name for name in below if not hostdata.is_dispensable(directory, name))
            for name in [*sorted(names), *below]:
                path = os.path.join(directory, name)
                if name not in below or os.path.islink(path):
                    self.add(path)

    def _follow(self, path: str) -> str | None:
        """Add every link on the way to a path; where it really is, None when nothing is there."""
        done, rest = "", [part for part in path.split("/") if part]
        links = 0
        while rest:
            part = rest.pop(0)
            if part in ("..", "."):
                done = os.path.dirname(done) if part == ".." else done
                continue
            here = f"{done}/{part}"
            if not os.path.islink(here):
                done = here
                continue
            links += 1
            if links > _MOST_LINKS:
                return None
            self.files[here] = here
            target = os.readlink(here)
            if target.startswith("/"):
                done = ""
            rest = [p for p in target.split("/") if p] + rest
        return done if os.path.lexists(done) else None

    def _add_libraries(self, path: str, elf: Elf) -> None:
        if elf.interpreter:
            self.add(elf.interpreter)
        for name in elf.needed:
            library = find_library(name, elf)
            if library is None:
                self.warnings.append(f"{path} needs {name}, which this machine does not have")
            else:
                self.add(library)

    def _run_by(self, interpreter: str) -> None:
        self.add(interpreter)
        if hostdata.is_python(interpreter):
            self.add_data("python packages", interpreter)

    def _add_interpreter(self, path: str) -> None:
        with open(path, "rb") as file:
            head = file.read(256)
        if not head.startswith(b"#!"):
            return
        words = os.fsdecode(head[2:].partition(b"\n")[0]).split()
        if not words or not words[0].startswith("/"):
            return
        self._run_by(words[0])
        if os.path.basename(words[0]) != "env":
            return
        command = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), None)
        found = shutil.which(command, path=PATH) if command else None
        if found:
            self._run_by(found)
        elif command:
            self.warnings.append(f"{path} is run by {command}, which this machine does not have")


def from_host(
    content: Content,
    programs: Sequence[str],
    names: Iterable[Reference] = (),
    report: Report = silent,
    cancel: Event | None = None,
) -> Image:
    """Make an image of programs of this machine; its command is the first one.

    Raises:
        NotFound: no such program. InvalidArgument: none given, or not executable. Unavailable: no space. Cancelled.
    """
    if not programs:
        raise InvalidArgument("no program given: name at least one, as a path or as a command")
    collection = Collection(cancel)
    try:
        paths = [collection.add_program(name) for name in programs]
        collection.add_data("libc")
        for warning in collection.warnings:
            report(Progress(stream=f"warning: {warning}\n"))
        with tempfile.TemporaryFile(dir=content.blobs.temporary) as archive:
            write_archive(collection, archive.write, cancel)
            archive.seek(0)
            defaults = Defaults(cmd=[paths[0]], env=[f"PATH={PATH}"])
            created_by = "estiba image from-host " + " ".join(programs)
            recipe = Recipe(defaults, comment="from this machine's programs", created_by=created_by)
            return make(content, archive, recipe, names, report, cancel)
    except OSError as error:
        raise SystemFailure(f"cannot take {error.filename or 'a program'} into an image: {error.strerror}") from error


def write_archive(
    collection: Collection, write: Callable[[bytes | memoryview], object], cancel: Event | None = None
) -> None:
    """Write the collected files as a layer's archive, in order of their names; everything is root's."""
    tar = TarWriter(write)
    made: set[str] = set()
    for name, mode in sorted(_DIRECTORIES.items()):
        made.add(name)
        tar.add(Entry(name.encode() + b"/", Kind.DIRECTORY, mode))
    for path, data in _NAMES.items():
        tar.add(Entry(path.encode(), Kind.FILE, 0o644, size=len(data)))
        tar.data(data)
    for path, source in sorted(collection.files.items()):
        check_cancelled(cancel)
        name = path.lstrip("/")
        if name in _NAMES:
            continue
        _add_parents(tar, name, made)
        _add_file(tar, name, source)
    tar.finish()


def _add_parents(tar: TarWriter, name: str, made: set[str]) -> None:
    parts = name.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        parent = "/".join(parts[:depth])
        if parent not in made:
            made.add(parent)
            status = os.stat("/" + parent)
            mode = stat.S_IMODE(status.st_mode)
            tar.add(Entry(os.fsencode(parent) + b"/", Kind.DIRECTORY, mode, mtime=status.st_mtime_ns))


def _add_file(tar: TarWriter, name: str, source: str) -> None:
    status = os.lstat(source)
    entry_name = os.fsencode(name)
    if stat.S_ISLNK(status.st_mode):
        link = os.fsencode(os.readlink(source))
        tar.add(Entry(entry_name, Kind.SYMLINK, 0o777, mtime=status.st_mtime_ns, link=link))
        return
    with open(source, "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        mode = stat.S_IMODE(status.st_mode)
        tar.add(Entry(entry_name, Kind.FILE, mode, size=status.st_size, mtime=status.st_mtime_ns))
        left = status.st_size
        while left:
            data = file.read(min(left, _READ))
            if not data:
                raise OSError(5, "it became shorter while it was read", source)
            tar.data(data)
            left -= len(data)
