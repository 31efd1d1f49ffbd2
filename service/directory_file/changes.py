"""The changes of a directory file, by name: the difference between the directory before and after the writing."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from typing_extensions import override

from schemas.names import AccessLevel, Visibility
from service.directory_file.rows import Fact, State, Thing, ThingKey

_PLACES: Final = ("user", "group", "project")
"""These have an id, so that they can be renamed."""
_TOKENS: Final = ("token", "deploy token", "job token")
_KINDS: Final = (*_PLACES, "member", *_TOKENS, "pipeline", "allowed project", "protection rule", "retention rule")
_LEVELS: Final = frozenset({"role", "minimum_access_level_for_push", "minimum_access_level_for_delete"})
_OPENNESS: Final = (Visibility.PRIVATE, Visibility.INTERNAL, Visibility.PUBLIC)
_INTERNAL: Final = frozenset({"user_id"})
_SIGNS: Final = "!-~+"
_TAKEN: Final[Mapping[tuple[str, object], str]] = MappingProxyType(
    {
        ("admin", False): "takes the rights of an admin from {}",
        ("external", True): "makes {} external, without rights in internal projects",
        ("state", "blocked"): "blocks {}",
        ("packages_enabled", False): "switches packages off in {}",
    }
)
"""The changes that take something away."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change, in words that name what it is about."""

    sign: str
    """`!` takes rights away, `-` removes, `~` changes, `+` adds."""
    sentence: str
    is_asked: bool = False
    """Whether a person should agree to it: it removes, renames or revokes something."""
    needs_force: bool = False
    order: int = field(default=0, compare=False)
    """The place of its kind: users before groups, groups before projects."""

    @override
    def __str__(self) -> str:
        """Return the line of a diff."""
        return f"{self.sign} {self.sentence}"


def changes_between(before: State, after: State) -> list[Change]:
    """Return what became of each thing, with what a person should agree to in front."""
    found = [*_changes(before, after)]
    return sorted(found, key=lambda one: (not one.is_asked, _SIGNS.index(one.sign), one.order, one.sentence))


def admins_lost(before: Sequence[int], after: Sequence[int]) -> list[Change]:
    """Compare how many admins there are and how many of them can log in; report when none is left."""
    if any(count and not left for count, left in zip(before, after, strict=True)):
        return [Change("!", "leaves no active admin with a token", is_asked=True, needs_force=True)]
    return []


def _changes(before: State, after: State) -> Iterator[Change]:
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old is not None and new is not None:
            yield from _changed(old, new, before)
        elif old is not None:
            revokes = old.kind in _TOKENS
            yield _change(old, "!" if revokes else "-", "revokes " * revokes + _called(old, before), is_asked=True)
        elif new is not None:
            yield _change(new, "+", _called(new, after) + _details(new))


def _changed(old: Thing, new: Thing, before: State) -> Iterator[Change]:
    if old.name != new.name and old.kind in _PLACES:
        yield _change(old, "~", f"{_called(old, before)} -> {new.name} (id {old.key})", is_asked=True)
    elif old.name != new.name and old.kind in _TOKENS:
        yield _change(old, "~", f"{_called(old, before)} -> {new.name}")
    for name, value in old.facts.items():
        if new.facts[name] != value:
            yield _fact(old, _called(old, before), name, value, new.facts[name])


def _fact(thing: Thing, called: str, name: str, old: Fact, new: Fact) -> Change:
    if isinstance(new, Hashable) and (taken := _TAKEN.get((name, new))) is not None:
        return _change(thing, "!", taken.format(called), is_asked=True)
    if name == "deletion_hold":
        sign, sentence = ("-", f"hold of {called}: {old}") if new is None else ("!", f"puts {called} on hold: {new}")
        return _change(thing, sign, sentence, is_asked=True)
    described = f"{called}: {name} {_written(name, old)} -> {_written(name, new)}"
    if _is_lowered(name, old, new):
        return _change(thing, "!", f"lowers {described}", is_asked=True)
    # An earlier expiry or fewer scopes are as good as a revocation.
    return _change(thing, "~", described, is_asked=thing.kind in _TOKENS)


def _is_lowered(name: str, old: Fact, new: Fact) -> bool:
    if name == "visibility":
        return _OPENNESS.index(Visibility(str(new))) < _OPENNESS.index(Visibility(str(old)))
    return name == "role" and isinstance(new, int) and isinstance(old, int) and new < old


def _change(thing: Thing, sign: str, sentence: str, *, is_asked: bool = False) -> Change:
    return Change(sign, sentence, is_asked, order=_KINDS.index(thing.kind))


def _called(thing: Thing, state: Mapping[ThingKey, Thing]) -> str:
    """Return its kind and name, and the name of its owner if it has one: member dave of group acme."""
    own = f"{thing.kind} {thing.name}"
    if thing.owner is None:
        return own
    owner = state.get(thing.owner)
    if owner is None:
        return own
    return f"{own} of {owner.name}" if owner.kind == "user" else f"{own} of {owner.kind} {owner.name}"


def _details(thing: Thing) -> str:
    details = [
        f"{name} {_written(name, value)}"
        for name, value in thing.facts.items()
        if name not in _INTERNAL and value is not None and value is not False and value != thing.name
    ]
    return f" ({', '.join(details)})" if details else ""


def _written(name: str, value: Fact) -> str:
    if value is None or value == {}:
        return "none"
    if name in _LEVELS and isinstance(value, int):
        return AccessLevel(value).name.lower()
    several = [f"{key} {one}" for key, one in value.items()] if isinstance(value, dict) else value
    if isinstance(several, list):
        return ", ".join(several)
    return str(value).lower() if isinstance(value, bool) else str(value)
