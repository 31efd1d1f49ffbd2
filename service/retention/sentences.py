"""The sentence that says what a rule does."""

from collections.abc import Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from schemas.names import PackageType
from schemas.retention import RetentionKind, RetentionRule

_VERBS: Final = MappingProxyType({RetentionKind.DELETE: "deletes", RetentionKind.KEEP: "keeps"})
_TYPES: Final = MappingProxyType(
    {
        PackageType.MAVEN: "Maven",
        PackageType.CONAN: "Conan",
        PackageType.NUGET: "NuGet",
        PackageType.PYPI: "PyPI",
        PackageType.COMPOSER: "Composer",
        PackageType.GOLANG: "Go",
        PackageType.DEBIAN: "Debian",
        PackageType.RUBYGEMS: "RubyGems",
        PackageType.HELM: "Helm",
        PackageType.TERRAFORM_MODULE: "Terraform",
        PackageType.RPM: "RPM",
        PackageType.ML_MODEL: "model",
        PackageType.CARGO: "Cargo",
    }
)
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def sentence_of(rule: RetentionRule) -> str:
    """Return one sentence without its full stop: deletes npm prereleases older than 30 days, but the last 5 of each."""
    subject = _subject(rule)
    if rule.kind is RetentionKind.KEEP:
        ways = _kept(rule)
        return f"keeps {subject}" + (f" that are {_joined(ways, 'or')}" if ways else "")
    age = f" older than {spelled(rule.younger_than)}" if rule.younger_than else ""
    idle = f" and not downloaded for {spelled(rule.downloaded_within)}" if rule.downloaded_within else ""
    if not age:
        idle = idle.replace(" and", "", 1)
    exceptions = [text for text in (_latest(rule), _tagged(rule)) if text]
    return f"deletes {subject}{age}{idle}" + (f", but {_joined(exceptions, 'and')}" if exceptions else "")


def spelled(span: timedelta) -> str:
    """Write a span with its largest whole unit: 30 days."""
    seconds = span.total_seconds()
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds % size == 0), (1, "second"))
    count = seconds / size
    return f"{count:g} {unit}" + ("" if count == 1 else "s")


def _subject(rule: RetentionRule) -> str:
    noun = f"{rule.release}s" if rule.release else "packages"
    types = _joined([_TYPES.get(each, each.value) for each in rule.package_types or ()], "and")
    statuses = _joined([str(each) for each in rule.statuses or ()], "or")
    words = [types, noun, f"in status {statuses}" if statuses else ""]
    if rule.name_patterns:
        words.append(f"named {_joined(rule.name_patterns, 'or')}")
    if rule.version_patterns:
        words.append(f"with version {_joined(rule.version_patterns, 'or')}")
    return " ".join(word for word in words if word)


def _kept(rule: RetentionRule) -> list[str]:
    ways = [
        f"younger than {spelled(rule.younger_than)}" if rule.younger_than else "",
        f"downloaded within {spelled(rule.downloaded_within)}" if rule.downloaded_within else "",
        f"among {_latest(rule)}" if rule.keep_latest else "",
        _tag_words(rule),
    ]
    return [way for way in ways if way]


def _latest(rule: RetentionRule) -> str:
    if rule.keep_latest is None:
        return ""
    return "the last of each name" if rule.keep_latest == 1 else f"the last {rule.keep_latest} of each name"


def _tagged(rule: RetentionRule) -> str:
    return f"not what is {words}" if (words := _tag_words(rule)) else ""


def _tag_words(rule: RetentionRule) -> str:
    if rule.tags is None:
        return ""
    return "tagged" if "*" in rule.tags else f"tagged {_joined(rule.tags, 'or')}"


def _joined(words: Sequence[str], word: str) -> str:
    if len(words) < 2:  # noqa: PLR2004 - one or none
        return "".join(words)
    return f"{', '.join(words[:-1])} {word} {words[-1]}"
