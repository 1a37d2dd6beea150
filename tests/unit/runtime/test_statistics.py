from __future__ import annotations

import json
from pathlib import Path

import pytest

from estiba.linux import cgroupfs
from estiba.runtime import statistics
from estiba.runtime.statistics import BlockEntry

STAT = "cpu  100 2 30 4000 5 6 7 8 0 0\ncpu0 1 1 1 1\n"


def test_all_time_of_the_machine() -> None:
    assert statistics.system_cpu(STAT) == (100 + 2 + 30 + 4000 + 5 + 6 + 7) * 10_000_000
    assert statistics.read_system_cpu() > 0


def test_cpu_of_v1() -> None:
    found = statistics.cpu_v1("300", "100 200 \n", {"user": 3, "system": 2}, {"nr_periods": 5, "throttled_time": 7})
    assert found == statistics.CpuUsage(300, 20_000_000, 30_000_000, (100, 200), 5, 0, 7)


def test_cpu_of_v2() -> None:
    text = "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 4\nnr_throttled 1\nthrottled_usec 9\n"
    assert statistics.cpu_v2(cgroupfs.flat_keyed(text)) == statistics.CpuUsage(5000, 2000, 3000, None, 4, 1, 9000)


def test_memory_of_v1_has_dockers_keys() -> None:
    recorded = Path(__file__).parents[2] / "data" / "recorded" / "stats-one-shot.json"
    if not recorded.exists():
        pytest.skip("no recorded answer of Docker in tests/data")
    keys = json.loads(recorded.read_text())["memory_stats"]["stats"]
    assert set(statistics.MEMORY_KEYS_V1) == set(keys)


def test_memory_of_v2_sums_what_newer_kernels_split() -> None:
    stat = {"anon": 1, "file": 2, "workingset_refault_anon": 3, "workingset_refault_file": 4, "unknown": 5}
    found = statistics.memory_details(stat, 2)
    assert found["workingset_refault"] == 7
    assert found["anon"] == 1
    assert found["slab"] == 0
    assert "unknown" not in found


@pytest.mark.parametrize(
    ("text", "limit"), [("max", None), ("9223372036854771712", None), ("100", 100), ("", None), ("-1", None)]
)
def test_limits(text: str, limit: int | None) -> None:
    assert statistics.limit(text) == limit


def test_block_counters_of_v1() -> None:
    text = "254:0 Read 4096\n254:0 Write 0\n254:0 Total 4096\nTotal 4096\n"
    assert statistics.block_v1(text) == (
        BlockEntry(254, 0, "Read", 4096),
        BlockEntry(254, 0, "Write", 0),
        BlockEntry(254, 0, "Total", 4096),
    )
    assert statistics.block_v1("8:0 77\n") == (BlockEntry(8, 0, "", 77),)
    assert statistics.block_v1("Total 0\n") == ()


def test_block_counters_of_v2() -> None:
    text = "254:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n7:0 \n8:0 cost.usage=1\n"
    found = statistics.block_v2(text)
    assert found.service_bytes == (BlockEntry(254, 0, "read", 10), BlockEntry(254, 0, "write", 20))
    assert found.serviced is None
