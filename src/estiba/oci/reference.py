"""Image references, `host/repository:tag@digest`, read and shown as Docker's clients do.

Grammar: https://pkg.go.dev/github.com/distribution/reference. A *familiar* name leaves out what goes without saying:
`x:1` is docker.io/library/x:1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from estiba.errors import InvalidArgument
from estiba.oci import digest as digests

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
_OFFICIAL = "library/"
_LONGEST_NAME = 255

_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(rf"({_DOMAIN})/({_PART}(?:/{_PART})*)(?::({_TAG}))?(?:@({_DIGEST}))?")
_TAG_ALONE = re.compile(_TAG)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")


@dataclass(frozen=True, slots=True)
class Reference:
    """A complete reference: domain and path always, tag and digest where given ("" otherwise)."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The repository with its domain: docker.io/library/x."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """The repository as people write it: x."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        short = self.path.removeprefix(_OFFICIAL)
        return self.path if "/" in short else short

    @property
    def familiar(self) -> str:
        """The whole as people write it: x:1."""
        return self.familiar_name + self._suffix

    def with_default_tag(self) -> Reference:
        """The same, with tag `latest` when there is neither tag nor digest."""
        return self if self.tag or self.digest else replace(self, tag=DEFAULT_TAG)

    def with_tag(self, tag: str) -> Reference:
        """The same repository with another tag. Raises InvalidArgument: invalid tag format."""
        if not _TAG_ALONE.fullmatch(tag):
            raise InvalidArgument("invalid tag format")
        return Reference(self.domain, self.path, tag)

    def with_digest(self, digest: str) -> Reference:
        """The same repository with a digest and no tag."""
        return Reference(self.domain, self.path, "", digests.check(digest))

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.name + self._suffix


@lru_cache(maxsize=4096)
def parse(text: str) -> Reference:
    """Read a reference in its short or its full form; nothing is added but domain and `library/`.

    Raises:
        InvalidArgument: with Docker's words.
    """
    if _IDENTIFIER.fullmatch(text):
        raise InvalidArgument(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    domain, remainder = _split_domain(text)
    remote = remainder.partition(":")[0]
    if remote.lower() != remote:
        raise InvalidArgument(f"invalid reference format: repository name ({remote}) must be lowercase")
    match = _REFERENCE.fullmatch(f"{domain}/{remainder}")
    if match is None:
        raise InvalidArgument("invalid reference format")
    domain, path, tag, digest = match.group(1), match.group(2), match.group(3) or "", match.group(4) or ""
    if len(path) > _LONGEST_NAME:
        raise InvalidArgument(f"repository name must not be more than {_LONGEST_NAME} characters")
    if digest:
        digests.check(digest)
    return Reference(domain, path, tag, digest)


def parse_tagged(repository: str, tag: str = "") -> Reference:
    """A repository and a tag given apart, as in the API's `repo` and `tag`; the tag may also stand in the repository.

    Raises:
        InvalidArgument: invalid reference or tag; or the repository carries a digest.
    """
    reference = parse(repository)
    if reference.digest:
        raise InvalidArgument("refusing to create a tag with a digest reference")
    return reference.with_tag(tag) if tag else reference.with_default_tag()


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash:
        return DEFAULT_DOMAIN, _OFFICIAL + text
    if first == "index.docker.io":
        first = DEFAULT_DOMAIN
    elif first != "localhost" and not any(c in first for c in ".:") and first.lower() == first:
        return DEFAULT_DOMAIN, text
    if first == DEFAULT_DOMAIN and "/" not in rest:
        rest = _OFFICIAL + rest
    return first, rest
