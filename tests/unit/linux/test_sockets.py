from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from estiba.linux import sockets

if TYPE_CHECKING:
    from pathlib import Path


def test_messages_keep_their_bounds_and_carry_a_descriptor(tmp_path: Path) -> None:
    ours, theirs = sockets.pair()
    with ours, theirs, (tmp_path / "file").open("wb") as file:
        sockets.send(ours, b"one", file.fileno())
        sockets.send(ours, b"two")
        data, descriptor = sockets.receive(theirs, 100)
        assert data == b"one"
        assert descriptor is not None
        assert not os.get_inheritable(descriptor)
        assert os.path.samestat(os.fstat(descriptor), os.fstat(file.fileno()))
        os.close(descriptor)
        assert sockets.receive(theirs, 100) == (b"two", None)
        ours.close()
        assert sockets.receive(theirs, 100) == (b"", None)
        with pytest.raises(BrokenPipeError):
            sockets.send(theirs, b"x")


def test_a_path_may_be_long(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 200)
    directory.mkdir()
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with sockets.listen_at(descriptor, "s") as listener, sockets.connect_at(descriptor, "s") as connection:
            accepted, _ = listener.accept()
            with accepted:
                sockets.send(connection, b"hello")
                assert sockets.receive(accepted, 100) == (b"hello", None)
        with pytest.raises(ConnectionRefusedError):
            sockets.connect_at(descriptor, "s")
        with pytest.raises(FileNotFoundError):
            sockets.connect_at(descriptor, "t")
        with pytest.raises(OSError, match="in use"):
            sockets.listen_at(descriptor, "s")
    finally:
        os.close(descriptor)
