"""Versions of NuGet packages: their normal form, their order, and ranges of them."""

import re
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

_LONGEST: Final = 128
_LONGEST_RANGE: Final = 255
_LARGEST_NUMBER: Final = 2**31 - 1
_NUMBERS: Final = 4
_LABELS: Final = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION: Final = re.compile(rf"([0-9]{{1,10}}(?:\.[0-9]{{1,10}}){{1,3}})(?:-({_LABELS}))?(?:\+{_LABELS})?")
"""Two to four numbers, labels of a pre-release, and labels of a build, which do not distinguish versions."""
_BOUND: Final = rf"[0-9]{{1,10}}(?:\.[0-9]{{1,10}}){{0,3}}(?:\.\*)?(?:-(?:{_LABELS})?\*?)?(?:\+{_LABELS})?"
_RANGE: Final = re.compile(rf"\*|{_BOUND}|\[{_BOUND}\]|[\[(](?:{_BOUND})?,(?:{_BOUND})?[\])]")

_Label: TypeAlias = tuple[int, int, str]
_Key: TypeAlias = tuple[tuple[int, ...], bool, tuple[_Label, ...]]


@dataclass(frozen=True, slots=True)
class NuGetVersion:
    """A version that NuGet can read."""

    numbers: tuple[int, ...]
    """Always four."""
    labels: tuple[str, ...]
    """Those of a pre-release, in lower case; a release has none."""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the version that is written so; None if it is none."""
        found = _VERSION.fullmatch(text)
        if found is None or len(text) > _LONGEST:
            return None
        numbers = [int(number) for number in found[1].split(".")]
        if max(numbers) > _LARGEST_NUMBER:
            return None
        labels = tuple(found[2].lower().split(".")) if found[2] else ()
        return cls((*numbers, *(0,) * (_NUMBERS - len(numbers))), labels)

    @property
    def normal(self) -> str:
        """The one form of all spellings: three numbers, a fourth one unless it is 0, and the pre-release."""
        numbers = self.numbers if self.numbers[-1] else self.numbers[:-1]
        release = ".".join(str(number) for number in numbers)
        return f"{release}-{'.'.join(self.labels)}" if self.labels else release

    @property
    def key(self) -> _Key:
        """The key to sort by: a pre-release comes before its release, and numbers before words."""
        labels = tuple((0, int(label), "") if label.isdigit() else (1, 0, label) for label in self.labels)
        return self.numbers, not labels, labels


def is_range(text: str) -> bool:
    """Return whether this is a range of versions, such as `1.0`, `[1.0, 2.0)` or `1.*`."""
    return len(text) <= _LONGEST_RANGE and _RANGE.fullmatch(text.replace(" ", "")) is not None
