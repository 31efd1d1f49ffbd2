"""Where lines of the log go, and what happens when they can go nowhere."""

import subprocess
import sys

_LOGGING = """
import sys
import structlog
from service.logs import configure_logs
from service.configuration.values import LogFormat, LogLevel

configure_logs(LogLevel.INFO, LogFormat.JSON, process="api")
for _ in range(1_000):
    structlog.get_logger().warning("database_unavailable", reason="away")
print("went on")
sys.stdout.flush()
"""


def test_a_log_on_a_full_disk_stops_no_work() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - a device
        ended = subprocess.run([sys.executable, "-c", _LOGGING], check=False, stdout=subprocess.PIPE, stderr=full)

    assert ended.stdout == b"went on\n"
