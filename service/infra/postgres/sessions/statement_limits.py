"""Statements that may take longer than an ordinary one, by name, with how long: the one list of all of them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_MINUTE_S: Final = 60
_HALF_AN_HOUR_S: Final = 1_800

_GROW_WITH_A_BATCH: Final = (
    # The relay, the workers and the scheduler take many rows at a time.
    *("unpublished_commands", "mark_published", "number_events", "adopt_numbered_events", "begin_log_after_gap"),
    *("unpublished_events", "advance_published", "refused_events", "forget_refused", "put_off", "drop_days"),
    *("claim_deletions", "next_files", "next_files_of_large", "unmarked_deletions", "record_progress"),
    *("delete_files", "end_deletions", "delete_emptied_packages", "lock_displayed_packages"),
    *("lock_waking", "wake_deletions", "wake_released", "neglected_deletions", "fold_statistics"),
    *("prune_retention_items", "prune_retention_kept", "prune_retention_runs", "prune_spared"),
    *("forget_retention_kept", "next_retention_items", "retention_outcomes"),
    # A page shows the plan of all packages, and no reader waits for longer.
    "retention_page",
    *("prune_outbox", "prune_deletions", "prune_answers", "deletion_figures", "outbox_figures"),
    # A check reads every file row, page by page, and waits for uploads of the keys that it takes aside.
    *("files_behind", "checksums_behind", "damaged_files_behind", "files_of_keys", "delete_damaged"),
    *("lock_keys", "note_quarantined", "adopt_quarantined", "half_quarantined", "quarantined_long_ago"),
    # An import and a directory file wait for another one of their kind.
    *("lock_import", "find_taken", "find_used_ids", "find_kept_objects", "allocate_ids", "advance_ids"),
    "store_pipelines",
    *("lock_directory", "store_users", "store_groups", "store_projects", "store_members", "store_access_tokens"),
    *("store_deploy_tokens", "store_job_tokens", "store_protection_rules", "store_job_token_allowances"),
    *("store_deletion_rules", "find_too_visible"),
    # A batch may have a hundred thousand deletions.
    *("plan_deletions", "count_planned", "holds_on_batch", "insert_package_deletions", "lock_deletions_of_batch"),
    *("lock_packages_of_deletions", "lock_claims", "obstacles_to_restoring", "restore_packages", "end_as_restored"),
)
_GROW_WITH_A_PACKAGE: Final = (
    # A package may have millions of files.
    *("mark_for_destruction", "show_in_error", "restore_files"),
    # A plan of retention reads all packages of all projects.
    *("retention_totals", "retention_list", "store_retention_plan", "listed_packages"),
    "retention_items",
    # These count all files of a package, or of all.
    *("miscounted_packages", "count_package_anew", "miscounted_projects"),
)

STATEMENT_LIMITS_S: Final[Mapping[str, int]] = MappingProxyType(
    dict.fromkeys(_GROW_WITH_A_BATCH, _MINUTE_S) | dict.fromkeys(_GROW_WITH_A_PACKAGE, _HALF_AN_HOUR_S)
)
"""How many seconds a named query may take; one that is not here is an ordinary statement."""

LONGEST_STATEMENT_S: Final = _HALF_AN_HOUR_S
