"""Two images that every engine has without a download: `hello`, a tiny program, and `host`, this machine itself.

They are made when somebody first asks for them by name, and are images like others from then on: listed, tagged,
removed (and made again at the next need). An image that somebody else calls so comes first.
"""

from __future__ import annotations

import io
import os
import threading
from importlib import resources
from typing import TYPE_CHECKING

from estiba.errors import InvalidArgument, SystemFailure
from estiba.images.hostimage import fill_layer, host_config, scan
from estiba.images.making import Recipe, make
from estiba.images.records import NewImage
from estiba.images.tar import Entry, Kind
from estiba.images.tarwriter import TarWriter
from estiba.oci import digest as digests
from estiba.oci import reference as references
from estiba.oci.image import Defaults
from estiba.oci.manifest import encode

if TYPE_CHECKING:
    from estiba.images.content import Content
    from estiba.images.image import Image
    from estiba.oci.reference import Reference

LABEL = "org.estiba.embedded"
"""On both images; the value says what they were made of, so that a newer Estiba makes them anew."""
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HELLO = references.parse("hello:latest")
HOST = references.parse("host:latest")


class Embedded:
    """Makes the embedded images of one store."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._lock = threading.Lock()
        self._fresh: set[str] = set()

    def make(self, name: str) -> Image | None:
        """The embedded image of this name, made now; None when there is none of it.

        Raises:
            SystemFailure: this installation lacks the program. Unavailable: no space.
        """
        try:
            reference = references.parse(name).with_default_tag()
        except InvalidArgument:
            return None
        if reference not in (HELLO, HOST):
            return None
        with self._lock:
            existing = self._content.records.by_reference(reference)  # another thread's work
            return existing or self._make(reference)

    def refreshed(self, image: Image) -> Image:
        """The image itself; an embedded one is made anew, once in the engine's life, if what it is made of changed."""
        value = (image.config.defaults.labels or {}).get(LABEL)
        if value is None or image.id in self._fresh:
            return image
        with self._lock:
            reference = HOST if not image.manifest else HELLO
            if image.id in self._fresh or self._content.records.by_reference(reference) != image:
                return image
            self._fresh.add(image.id)
            if reference == HELLO and value == digests.of(_hello_program()):
                return image
            return self._make(reference)

    def _make(self, reference: Reference) -> Image:
        image = self._make_host() if reference == HOST else self._make_hello()
        self._fresh.add(image.id)
        return image

    def _make_hello(self) -> Image:
        program = _hello_program()
        archive = io.BytesIO()
        tar = TarWriter(archive.write)
        tar.add(Entry(b"hello", Kind.FILE, 0o755, size=len(program)))
        tar.data(program)
        tar.finish()
        archive.seek(0)
        defaults = Defaults(cmd=["/hello"], env=[PATH], labels={LABEL: digests.of(program)})
        recipe = Recipe(defaults, comment="embedded in Estiba", created_by="estiba embedded hello")
        return make(self._content, archive, recipe, [HELLO])

    def _make_host(self) -> Image:
        """A layer with a skeleton and /etc; /usr is an overlay of its own, over the machine's."""
        content = self._content
        with content.working() as hold:
            tree = scan()
            key = f"host-{tree.digest}"
            layer = content.layers.find(key)
            if layer is None or not content.layers.has(key):
                with content.layers.create(key, overlays=tree.overlays, deferred=True) as new:
                    fill_layer(tree, new.descriptor)
                    new.size = tree.size
            existing = content.records.by_reference(HOST)
            if existing is None or LABEL not in (existing.config.defaults.labels or {}):
                config = content.blobs.add(encode(host_config(LABEL, PATH)), hold)
                identity, names = config.digest, [HOST]
            else:
                identity, names = existing.id, []
            with content.committing():
                content.records.add(NewImage(identity, "", tree.size, chain=(key,)), names)
        image = content.records.by_id(identity)
        assert image is not None  # recorded a moment ago, under the lock
        return image


def _hello_program() -> bytes:
    program = resources.files("estiba") / "bin" / "hello"
    try:
        return program.read_bytes()
    except OSError as error:
        raise SystemFailure(
            f"cannot make the image hello: its program is missing from this installation ({os.fspath(str(program))}: "
            f"{error.strerror}); in a source tree, run `make -C native`"
        ) from error
