"""Pages are found as Docker finds them."""

from __future__ import annotations

import pytest

from estiba.api.router import Route, Router, clean, split_version


async def _handler(*_: object) -> None:
    return None


PATTERNS = (
    ("GET", "/containers/json"),
    ("GET", "/containers/{id}/json"),
    ("GET", "/containers/{id}/attach/ws"),
    ("DELETE", "/containers/{id}"),
    ("GET", "/images/{name}/json"),
    ("GET", "/volumes/{name}"),
    ("GET", "/estiba/containers/{id}/plan"),
)


@pytest.fixture
def router() -> Router:
    return Router(tuple(Route(method, pattern, _handler) for method, pattern in PATTERNS))


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/containers/json", ""),
        ("GET", "/containers/x/json", "x"),
        ("GET", "/containers/a/b/json", "a/b"),
        ("GET", "/containers/x/attach/ws", "x"),
        ("DELETE", "/containers/json", "json"),
        ("GET", "/images/reg:5000/a/b:1/json", "reg:5000/a/b:1"),
        ("GET", "/volumes/v/", "v/"),
        ("GET", "/estiba/containers/x/plan", "x"),
    ],
)
def test_found(router: Router, method: str, path: str, name: str) -> None:
    found = router.find(method, path)
    assert found is not None
    assert found[1] == name


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/containers/json"),
        ("HEAD", "/containers/json"),
        ("GET", "/containers/x"),
        ("GET", "/containers/json/"),
        ("DELETE", "/containers/"),
        ("GET", "/"),
        ("GET", "/nosuch"),
    ],
)
def test_not_found(router: Router, method: str, path: str) -> None:
    assert router.find(method, path) is None


def test_versions() -> None:
    assert split_version("/v1.51/info") == ("1.51", "/info")
    assert split_version("/v1/info") == ("1", "/info")
    assert split_version("/vX/info") == ("", "/vX/info")
    assert split_version("/1.24/info") == ("", "/1.24/info")
    assert split_version("/info") == ("", "/info")


def test_cleaning() -> None:
    assert clean("//v1.51/info") == "/v1.51/info"
    assert clean("/containers//x/json") == "/containers/x/json"
    assert clean("/a/../b/./c") == "/b/c"
    assert clean("/volumes/x/") == "/volumes/x/"
    assert clean("/") == "/"
