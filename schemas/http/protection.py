"""HTTP bodies of protection rules, as GitLab serves them since 17.1."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, StrictStr, model_validator

from schemas.base import Contract, Json
from schemas.http.resources import Resource
from schemas.names import PackageType, ProtectionLevel

PUSH_LEVEL: Final = "minimum_access_level_for_push"
DELETE_LEVEL: Final = "minimum_access_level_for_delete"
_NEITHER: Final = f"{PUSH_LEVEL}, {DELETE_LEVEL} are missing, at least one parameter must be provided"
_LONGEST: Final = 255
_NAMES: Final = {
    PackageType.NPM: (re.compile(r"(?:@[A-Za-z0-9_.*-]+/)?[A-Za-z0-9_.+*-]+"), "a valid NPM package name"),
    PackageType.PYPI: (re.compile(r"[A-Za-z0-9_.+*@/-]+"), "a valid PyPI package name"),
}
"""The pattern of patterns of a type, and its name in GitLab's sentence."""

DeletionLevel = Literal[ProtectionLevel.OWNER, ProtectionLevel.ADMIN]
"""The levels that GitLab knows for deletions; a directory file may also name maintainers, whose level it is anyway."""
_Pattern = Annotated[StrictStr, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]


def _with_a_level(schema: Json) -> None:
    schema["anyOf"] = [{"required": [PUSH_LEVEL]}, {"required": [DELETE_LEVEL]}]


class ProtectionRuleChange(Contract):
    """A change of a protection rule: a key that is not given stays as it is."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    package_name_pattern: _Pattern | None = None
    """The names of packages that are protected; `*` matches any text, and case does not matter."""
    package_type: PackageType | None = None
    """The type of these packages."""
    minimum_access_level_for_push: ProtectionLevel | None = None
    """The least level that publishes them; null: developers may."""
    minimum_access_level_for_delete: DeletionLevel | None = None
    """The least level that deletes them; null: maintainers may."""


class NewProtectionRule(ProtectionRuleChange):
    """A new protection rule; one of both levels has to be given."""

    model_config = ConfigDict(json_schema_extra=_with_a_level)

    package_name_pattern: _Pattern | None = Field()
    """The names of packages that are protected; `*` matches any text, and case does not matter."""
    package_type: PackageType = Field()
    """The type of these packages."""

    @model_validator(mode="after")
    def _has_a_level(self) -> Self:
        if not self.model_fields_set & {PUSH_LEVEL, DELETE_LEVEL}:
            raise ValueError(_NEITHER)
        return self


class ProtectionRuleResource(Resource):
    """A protection rule."""

    id: int
    project_id: int
    package_name_pattern: str
    package_type: PackageType
    minimum_access_level_for_push: ProtectionLevel | None
    minimum_access_level_for_delete: DeletionLevel | None


def pattern_problems(package_type: PackageType, pattern: str | None) -> list[str]:
    """Return GitLab's sentences on what is wrong with a pattern of names of that type."""
    if not (pattern or "").strip():
        return ["Package name pattern can't be blank"]
    problems = []
    if len(pattern or "") > _LONGEST:
        problems.append(f"Package name pattern is too long (maximum is {_LONGEST} characters)")
    rule, kind = _NAMES.get(package_type, (None, ""))
    if rule is not None and not rule.fullmatch(pattern or ""):
        problems.append(f"Package name pattern should be {kind} with optional wildcard characters.")
    return problems
