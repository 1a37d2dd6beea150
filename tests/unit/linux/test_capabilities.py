from __future__ import annotations

from pathlib import Path

import pytest

from estiba.linux import capabilities


def test_names_are_in_the_order_of_their_numbers() -> None:
    assert capabilities.number("CAP_CHOWN") == 0
    assert capabilities.number("CAP_SYS_ADMIN") == 21
    assert capabilities.number("CAP_CHECKPOINT_RESTORE") == 40
    assert capabilities.last() >= capabilities.number("CAP_AUDIT_READ")


def test_masks_and_names_are_inverse() -> None:
    default = capabilities.names(0xA80425FB)
    assert len(default) == 14
    assert capabilities.mask(default) == 0xA80425FB
    assert capabilities.names(1 << 63) == frozenset()


def test_unknown_names_are_not_taken() -> None:
    assert not capabilities.is_name("CAP_FOO")
    assert capabilities.is_name("CAP_KILL")
    with pytest.raises(KeyError):
        capabilities.mask(["CAP_FOO"])


def test_sets_are_those_of_the_kernel() -> None:
    fields = dict(line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines() if "Cap" in line)
    assert capabilities.mask(capabilities.bounding()) == int(fields["CapBnd"], 16)
    assert capabilities.mask(capabilities.effective()) == int(fields["CapEff"], 16)
