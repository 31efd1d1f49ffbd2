"""GitLab's leniency, which no schema can express, for the trial of the OpenAPI document."""

from typing import Any

import schemathesis

_BLANK_OR_FLAG = {"", "0", "1", "on", "off", "t", "f", "true", "false", "y", "n", "yes", "no", "null"}

_FORMS = ("/packages/pypi", "/charts")

_CHECKSUMS = {"X-Checksum-SHA256", "Repr-Digest"}


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Leave out the wrong values that are none: blank is not set, a flag has many forms, and of two the last counts."""
    values = (case.query or {}).values()
    is_meant = case.meta is None or not case.meta.generation.mode.is_negative
    if case.operation.path.endswith(_FORMS) and case.method == "POST":
        # No schema can say what is inside the file of a package manager.
        return not is_meant
    return is_meant or not any(
        isinstance(value, list | dict) or str(value).lower() in _BLANK_OR_FLAG for value in values
    )


@schemathesis.hook
def map_case(_context: Any, case: Any) -> Any:
    """Leave out of good requests what no schema can say.

    That is which cursors an answer gave, which types events have, which orders have any, and what the checksums of a
    body are. Nor does one say what the schedule of a rule can be.
    """
    is_meant = case.meta is None or not case.meta.generation.mode.is_negative
    if is_meant and case.headers:
        for header in _CHECKSUMS & set(case.headers):
            del case.headers[header]
    if is_meant and case.query:
        left_out = {"cursor", "types", *(("order_by",) if case.query.get("pagination") == "keyset" else ())}
        case.query = {name: value for name, value in case.query.items() if name not in left_out}
    rule = case.body.get("rule", case.body) if is_meant and isinstance(case.body, dict) else None
    if isinstance(rule, dict) and "kind" in rule:
        # No schema knows words of cron and zones, nor that a rule that keeps never runs.
        for name in ("schedule", "time_zone", *(("dry_run",) if rule["kind"] == "keep" else ())):
            rule.pop(name, None)
    if case.query and "wait" in case.query:
        # A client that waits for events gets its answer when the time is over.
        case.query = {**case.query, "wait": "0"}
    return case
