"""The alert rules, each made to fire and to be silent by promtool, and the syntax of what the dashboard asks."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.watching import ALERTS, alert_rules, expressions

_HEALTHY: Final[Mapping[str, str]] = {
    "packyard_build_info{version='1',schema='7'}": "1x60",
    "packyard_active{process='relay',pod='a'}": "1x60",
    "packyard_active{process='relay',pod='b'}": "0x60",
    "packyard_active{process='scheduler'}": "1x60",
    "packyard_server_up{server='database',pod='a'}": "1x60",
    "packyard_server_up{server='broker',pod='a'}": "1x60",
    "packyard_server_up{server='broker',pod='b'}": "0x60",
    "packyard_database_read_only{pod='a'}": "0x60",
    "packyard_deletion_oldest_pending_seconds{}": "2x60",
    "packyard_deletions_due{lane='interactive'}": "3x60",
    "packyard_deletions_due{lane='bulk'}": "40x60",
    "packyard_queue_consumers{queue='packyard.delete.interactive'}": "2x60",
    "packyard_queue_consumers{queue='packyard.delete.bulk'}": "1x60",
    "packyard_queue_consumers{queue='packyard.dead'}": "0x60",
    "packyard_queue_messages_ready{queue='packyard.dead'}": "0x60",
    "packyard_queue_messages_ready{queue='packyard.delete.bulk'}": "500x60",
    "packyard_outbox_lag_seconds{kind='command'}": "0.2x60",
    "packyard_outbox_lag_seconds{kind='event'}": "0.2x60",
    "packyard_webhook_oldest_due_seconds{}": "0.1x60",
    "packyard_deletions_finished_total{outcome='failed'}": "7x60",
    "packyard_deletions_finished_total{outcome='succeeded'}": "0+50x60",
    "packyard_storage_delete_duration_seconds_count{outcome='ok'}": "0+100x60",
    "packyard_storage_delete_duration_seconds_count{outcome='failed'}": "0+1x60",
    "packyard_orphans_found_total{kind='orphaned'}": "2x60",
    "packyard_orphans_found_total{kind='missing'}": "0x60",
    "packyard_retention_runs_total{outcome='failed'}": "3x60",
    "packyard_retention_runs_total{outcome='finished'}": "0+1x60",
    "packyard_retention_oldest_open_seconds{state='planning'}": "5x60",
    "packyard_retention_oldest_open_seconds{state='deleting'}": "0+60x60",
    "packyard_retention_oldest_open_seconds{state='awaiting_approval'}": "3600x60",
    "packyard_quotas_reached{percent='80'}": "2x60",
    "packyard_quotas_reached{percent='100'}": "0x60",
    "packyard_leases_expired_total{}": "5x60",
    "packyard_http_requests_total{status='200'}": "0+1000x60",
    "packyard_http_requests_total{status='503'}": "0+1x60",
    "packyard_http_request_duration_seconds_bucket{route='/x',le='0.1'}": "0+1000x60",
    "packyard_http_request_duration_seconds_bucket{route='/x',le='5'}": "0+1000x60",
    "packyard_http_request_duration_seconds_bucket{route='/x',le='+Inf'}": "0+1000x60",
    "packyard_http_request_duration_seconds_bucket{route='/a/generic/b',le='0.1'}": "0x60",
    "packyard_http_request_duration_seconds_bucket{route='/a/generic/b',le='+Inf'}": "0+1000x60",
    "packyard_database_connections{state='used',pod='a'}": "9x60",
    "packyard_database_connections{state='idle',pod='a'}": "1x60",
    "packyard_database_connections_max{pod='a'}": "10x60",
    "packyard_event_loop_lag_seconds{pod='a'}": "0.01x60",
}
"""Series of a yard that is well -> their values, one a minute."""

_TROUBLES: Final[Mapping[str, Mapping[str, str]]] = {
    "PackyardDeletionsOverdue": {"packyard_deletion_oldest_pending_seconds{}": "0+60x60"},
    "PackyardNoConsumers": {"packyard_queue_consumers{queue='packyard.delete.bulk'}": "0x60"},
    "PackyardOutboxBehind": {"packyard_outbox_lag_seconds{kind='event'}": "0+60x60"},
    "PackyardNoActiveRelay": {"packyard_active{process='relay',pod='a'}": "0x60"},
    "PackyardNoActiveScheduler": {"packyard_active{process='scheduler'}": "_x60"},
    "PackyardWebhooksWaiting": {"packyard_webhook_oldest_due_seconds{}": "0+60x60"},
    "PackyardServerAway": {"packyard_server_up{server='database',pod='a'}": "0x60"},
    "PackyardDatabaseReadOnly": {"packyard_database_read_only{pod='a'}": "1x60"},
    "PackyardDeadLetters": {"packyard_queue_messages_ready{queue='packyard.dead'}": "0x20 1x40"},
    "PackyardDeletionsFailing": {"packyard_deletions_finished_total{outcome='failed'}": "7x20 8x40"},
    "PackyardStorageFailing": {"packyard_storage_delete_duration_seconds_count{outcome='failed'}": "0+20x60"},
    "PackyardStorageDisagrees": {"packyard_orphans_found_total{kind='missing'}": "0x20 1x40"},
    "PackyardRetentionFailing": {"packyard_retention_runs_total{outcome='failed'}": "3x20 4x40"},
    "PackyardRetentionStuck": {"packyard_retention_oldest_open_seconds{state='planning'}": "90000x60"},
    "PackyardRetentionAwaitsApproval": {
        "packyard_retention_oldest_open_seconds{state='awaiting_approval'}": "90000x60"
    },
    "PackyardQuotaReached": {"packyard_quotas_reached{percent='100'}": "1x60"},
    "PackyardLeasesExpiring": {"packyard_leases_expired_total{}": "0+1x60"},
    "PackyardApiFailing": {"packyard_http_requests_total{status='503'}": "0+30x60"},
    "PackyardApiSlow": {"packyard_http_request_duration_seconds_bucket{route='/x',le='0.1'}": "0+900x60"},
    "PackyardPoolExhausted": {"packyard_database_connections{state='used',pod='a'}": "10x60"},
    "PackyardEventLoopBlocked": {"packyard_event_loop_lag_seconds{pod='a'}": "4x60"},
    "PackyardAbsent": {"packyard_build_info{version='1',schema='7'}": "_x60"},
}
"""Alert -> the series that are otherwise when it has to fire, and it alone."""


def _case(firing: str | None, series: Mapping[str, str]) -> dict[str, Any]:
    expected = [{"labels": f'{{alertname="{firing}"}}', "value": 1}] if firing else []
    return {
        "name": firing or "all is well",
        "interval": "1m",
        "input_series": [
            {"series": re.sub(r"\{", "{namespace='yard',", name).replace(",}", "}"), "values": values}
            for name, values in series.items()
        ],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "30m",
                "exp_samples": expected,
            }
        ],
    }


def _promtool(*arguments: str | Path) -> str:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_alert_is_tried() -> None:
    assert set(_TROUBLES) == {rule["alert"] for rule in alert_rules()}


def test_an_alert_fires_for_its_trouble_and_for_no_other(tmp_path: Path) -> None:
    _try_out(
        [_case(None, _HEALTHY), *(_case(alert, {**_HEALTHY, **series}) for alert, series in _TROUBLES.items())],
        tmp_path,
    )


def test_the_first_failure_of_a_worker_that_had_none_is_not_missed(tmp_path: Path) -> None:
    # Its series begins with that failure, so that nothing of it has increased.
    first = {"packyard_deletions_finished_total{outcome='failed',pod='new'}": "_x20 1x40"}

    _try_out([_case("PackyardDeletionsFailing", {**_HEALTHY, **first})], tmp_path)


def _try_out(cases: Sequence[Mapping[str, Any]], folder: Path) -> None:
    document = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": cases}
    file = folder / "tests.yaml"
    file.write_text(json.dumps(document), encoding="utf-8")
    _promtool("test", "rules", file)


def test_promtool_takes_the_rules_and_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    _promtool("check", "rules", ALERTS)
    found = list(expressions())
    rules = [{"record": f"expression:{number}", "expr": text} for number, (_, text) in enumerate(found)]
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}), encoding="utf-8")

    assert f"{len(rules)} rules found" in _promtool("check", "rules", file)
