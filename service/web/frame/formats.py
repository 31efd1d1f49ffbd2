"""Numbers, sizes and moments as people read them, with the exact value beside."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from babel import Locale
from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_decimal
from markupsafe import Markup

_STEP: Final = 1_000
_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_MINUTE: Final = 60
_EXACT_BELOW: Final = 10 * _MINUTE
_TENTHS_BELOW: Final = 100
_SHORT_DIGEST: Final = 12
_KEPT: Final = 4_096
"""How many texts of each kind are kept: pages show the same numbers and moments again, and writing one takes long."""
_STATUS: Final = re.compile(r"^\d{3} (?:[A-Za-z]+(?: [a-z]+)?(?: - |$)|Service Unavailable - )")


class Formats:
    """The filters of the templates, in one language."""

    def __init__(self, locale: Locale, ngettext: Callable[[str, str, int], str]) -> None:
        """Write as that locale does; *ngettext* translates a text that has a plural."""
        self._locale = locale
        self._ngettext = ngettext
        self._words_of = lru_cache(_KEPT)(self._write_words)
        self._span_of = lru_cache(_KEPT)(self._write_span)
        self._stamp_of = lru_cache(_KEPT)(self._write_stamp)

    @property
    def filters(self) -> MappingProxyType[str, Callable[..., object]]:
        """The filters by name."""
        return MappingProxyType(
            {
                "count": lru_cache(_KEPT)(self.count),
                "size": lru_cache(_KEPT)(self.size),
                "plain_size": self.plain_size,
                "ago": self.ago,
                "clock": lru_cache(_KEPT)(self.clock),
                "span": self.span,
                "day": lru_cache(_KEPT)(self.day),
                "digest": digest,
                "refusal": refusal,
            }
        )

    def count(self, number: int) -> str:
        """Return a whole number with separators."""
        return str(format_decimal(number, locale=self._locale))

    def plain_size(self, size: int) -> str:
        """Return a number of bytes in the unit that fits, such as 1.2 MB."""
        value, unit = float(size), 0
        while value >= _STEP and unit < len(_UNITS) - 1:
            value /= _STEP
            unit += 1
        pattern = "#,##0.0" if unit and value < _TENTHS_BELOW else "#,##0"
        return f"{format_decimal(value, pattern, locale=self._locale)} {_UNITS[unit]}"

    def size(self, size: int) -> Markup:
        """Return a number of bytes in the unit that fits, with the exact number in its title."""
        exact = self._ngettext("%(num)s byte", "%(num)s bytes", size) % {"num": self.count(size)}
        return Markup('<data value="{}" title="{}">{}</data>').format(size, exact, self.plain_size(size))

    def ago(self, moment: datetime) -> Markup:
        """Return a moment as the time since then or until then, with the moment itself in its title."""
        away = moment - datetime.now(UTC)
        # The words depend on whole seconds alone.
        return self._time(moment, self._words_of(away.days, away.seconds), is_relative=True)

    def clock(self, moment: datetime) -> Markup:
        """Return a moment as date and time of day."""
        return self._time(moment, format_datetime(moment, "d MMM y, HH:mm 'UTC'", locale=self._locale))

    def day(self, day: date) -> str:
        """Return a day."""
        return str(format_date(day, "d MMM y", locale=self._locale))

    def span(self, seconds: float) -> str:
        """Return a length of time in the unit that fits; below ten minutes it is exact, since people wait for it."""
        return self._span_of(round(seconds))

    def _write_span(self, whole: int) -> str:
        if _MINUTE <= whole < _EXACT_BELOW and whole % _MINUTE:
            parts = (timedelta(seconds=whole - whole % _MINUTE), timedelta(seconds=whole % _MINUTE))
            return " ".join(format_timedelta(part, threshold=1, locale=self._locale) for part in parts)
        threshold = 1 if whole < _EXACT_BELOW else 1.5
        return str(format_timedelta(timedelta(seconds=whole), threshold=threshold, locale=self._locale))

    def _time(self, moment: datetime, words: str, *, is_relative: bool = False) -> Markup:
        # The script keeps the words of a relative time current.
        mark = Markup(" data-relative") if is_relative else ""
        return Markup("<time {}{}>{}</time>").format(self._stamp_of(moment.astimezone(UTC)), mark, words)

    def _write_words(self, days: int, seconds: int) -> str:
        return str(format_timedelta(timedelta(days, seconds), add_direction=True, locale=self._locale))

    def _write_stamp(self, moment: datetime) -> Markup:
        exact = format_datetime(moment, "d MMMM y, HH:mm:ss 'UTC'", locale=self._locale)
        machine = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
        return Markup('datetime="{}" title="{}"').format(machine, exact)


def digest(text: str) -> Markup:
    """Return the beginning of a checksum, with all of it in its title."""
    return Markup('<code class="digest" title="{}">{}</code>').format(text, text[:_SHORT_DIGEST])


def refusal(text: str) -> str:
    """Return the words of a refusal without the status that the API puts before them."""
    return _STATUS.sub("", text)
