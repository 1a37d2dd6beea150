from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiba.errors import InvalidArgument
from estiba.oci.reference import Reference, parse, parse_tagged

D = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("x", "docker.io/library/x", "x"),
        ("x:1", "docker.io/library/x:1", "x:1"),
        ("library/x:1", "docker.io/library/x:1", "x:1"),
        ("docker.io/x", "docker.io/library/x", "x"),
        ("index.docker.io/x", "docker.io/library/x", "x"),
        ("docker.io/library/x:1", "docker.io/library/x:1", "x:1"),
        ("user/x", "docker.io/user/x", "user/x"),
        ("docker.io/user/x", "docker.io/user/x", "user/x"),
        ("library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("localhost/x", "localhost/x", "localhost/x"),
        ("localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y"),
        ("a.b/x", "a.b/x", "a.b/x"),
        ("Host/x", "Host/x", "Host/x"),
        ("[::1]:5000/x", "[::1]:5000/x", "[::1]:5000/x"),
        ("a_b/c__d/e-f.g:V_1.2-3", "docker.io/a_b/c__d/e-f.g:V_1.2-3", "a_b/c__d/e-f.g:V_1.2-3"),
        (f"x@{D}", f"docker.io/library/x@{D}", f"x@{D}"),
        (f"x:1@{D}", f"docker.io/library/x:1@{D}", f"x:1@{D}"),
        ("test:8080", "docker.io/library/test:8080", "test:8080"),
    ],
)
def test_reads_and_shows(text: str, full: str, familiar: str) -> None:
    reference = parse(text)
    assert str(reference) == full
    assert reference.familiar == familiar
    assert parse(full) == reference
    assert parse(familiar) == reference


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid reference format"),
        ("a:b:c", "invalid reference format"),
        ("Upper:1", "invalid reference format: repository name (library/Upper) must be lowercase"),
        ("a/Upper", "invalid reference format: repository name (a/Upper) must be lowercase"),
        ("x.y/A/b:1", "invalid reference format: repository name (A/b) must be lowercase"),
        ("a b", "invalid reference format"),
        ("a..b", "invalid reference format"),
        ("-x", "invalid reference format"),
        ("x/", "invalid reference format"),
        ("/x", "invalid reference format"),
        ("x:", "invalid reference format"),
        ("x@sha256:abc", "invalid reference format"),
        ("x:1\n", "invalid reference format"),
        ("x@md5:" + "a" * 32, "unsupported digest algorithm: md5"),
        ("a" * 64, f"invalid repository name ({'a' * 64}), cannot specify 64-byte hexadecimal strings"),
        ("b/" + "a" * 255, "repository name must not be more than 255 characters"),
        ("x:" + "t" * 129, "invalid reference format"),
    ],
)
def test_refuses_with_dockers_words(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse(text)
    assert caught.value.message == message


def test_default_tag() -> None:
    assert str(parse("x").with_default_tag()) == "docker.io/library/x:latest"
    assert parse(f"x@{D}").with_default_tag() == parse(f"x@{D}")
    assert parse("x:1").with_digest(D) == Reference("docker.io", "library/x", "", D)


def test_repository_and_tag_apart() -> None:
    assert parse_tagged("x", "2").familiar == "x:2"
    assert parse_tagged("x:1").familiar == "x:1"
    assert parse_tagged("x").familiar == "x:latest"
    with pytest.raises(InvalidArgument, match="invalid tag format"):
        parse_tagged("x", "a b")
    with pytest.raises(InvalidArgument, match="refusing to create a tag with a digest reference"):
        parse_tagged(f"x@{D}", "1")


@given(st.text(max_size=40))
def test_whatever_is_accepted_reads_the_same_again(text: str) -> None:
    try:
        reference = parse(text)
    except InvalidArgument:
        return
    assert parse(str(reference)) == reference
    assert parse(reference.familiar) == reference
