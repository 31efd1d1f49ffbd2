from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ByteSize

from service.configuration.printed_values import printed
from service.errors import StartError
from service.settings import Settings, described, load_settings

_SIZE = "generic_max_file_size"

_COMPLETE = {
    "PACKYARD_DATABASE_URL": "postgresql://yard:sesame@db/yard",
    "PACKYARD_BROKER_URL": "amqp://yard:sesame@mq/",
    "PACKYARD_STORAGE_URL": "file:///srv/objects",
}
_WITHOUT_DATABASE = {name: value for name, value in _COMPLETE.items() if name != "PACKYARD_DATABASE_URL"}
_WITHOUT_BROKER = {name: value for name, value in _COMPLETE.items() if name != "PACKYARD_BROKER_URL"}


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("30", timedelta(seconds=30)),
        ("500ms", timedelta(seconds=0.5)),
        ("7d", timedelta(days=7)),
        ("1.5h", timedelta(minutes=90)),
    ],
)
def test_durations_are_seconds_or_carry_their_unit(text: str, duration: timedelta) -> None:
    settings = load_settings(environment={**_COMPLETE, "PACKYARD_GRACE_PERIOD": text})

    assert settings.grace_period == duration


def test_lists_have_commas_and_sizes_have_units() -> None:
    settings = load_settings(
        environment={
            **_COMPLETE,
            "PACKYARD_CORS_ORIGINS": "https://a.example.com, http://localhost:3000",
            "PACKYARD_TRUSTED_PROXIES": "10.0.0.0/8,::1,::ffff:192.0.2.0/120",
            "PACKYARD_HOST": "0.0.0.0, [::],packyard.internal",
            "PACKYARD_GENERIC_MAX_FILE_SIZE": "10 MiB",
        }
    )

    assert settings.cors_origins == ("https://a.example.com", "http://localhost:3000")
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128", "192.0.2.0/24"]
    assert settings.host == ("0.0.0.0", "::", "packyard.internal")  # noqa: S104 - nothing listens here
    assert settings.generic_max_file_size == 10 * 1024**2


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("PACKYARD_PORT", "eighty", "PACKYARD_PORT is wrong"),
        ("PACKYARD_PORT", "70000", "PACKYARD_PORT is wrong"),
        ("PACKYARD_HOST", "0.0.0.0:8080", "PACKYARD_HOST is wrong: should be addresses or host names without ports"),
        ("PACKYARD_HOST", ",", "PACKYARD_HOST is wrong"),
        ("PACKYARD_HOST", "256.1.1.1", "PACKYARD_HOST is wrong: should be addresses or host names without ports"),
        ("PACKYARD_LEASE", "0", "PACKYARD_LEASE is wrong: should be more than 0"),
        ("PACKYARD_GRACE_PERIOD", "99999999999999d", "PACKYARD_GRACE_PERIOD is wrong: should be at most 3650 days"),
        ("PACKYARD_LEASE", "soon", "PACKYARD_LEASE is wrong: should be a number of seconds"),
        ("PACKYARD_MAX_ATTEMPTS", "0", "PACKYARD_MAX_ATTEMPTS is wrong"),
        ("PACKYARD_LOG_FORMAT", "xml", "PACKYARD_LOG_FORMAT is wrong"),
        ("PACKYARD_STORAGE_URL", "ftp://x", "PACKYARD_STORAGE_URL is wrong: should begin with file://"),
        (
            "PACKYARD_DATABASE_URL",
            "mysql://yard:sesame@db",
            "PACKYARD_DATABASE_URL is wrong: should begin with postgresql://",
        ),
        ("PACKYARD_DATABASE_URL", "postgresql://yard:se/same@db/yard", "PACKYARD_DATABASE_URL is wrong: should have"),
        ("PACKYARD_BROKER_URL", "amqp://yard:se#same@broker/", "PACKYARD_BROKER_URL is wrong: should have"),
        ("PACKYARD_BROKER_URL", "amqp://yard:se[same@broker/", "PACKYARD_BROKER_URL is wrong: should have"),
        ("PACKYARD_BROKER_URL", "", "PACKYARD_BROKER_URL is not set"),
        ("PACKYARD_GENERIC_MAX_FILE_SIZE", "much", "PACKYARD_GENERIC_MAX_FILE_SIZE is wrong"),
        ("PACKYARD_RATE_LIMIT", "-1", "PACKYARD_RATE_LIMIT is wrong"),
        ("PACKYARD_RATE_LIMIT_PERIOD", "10ms", "PACKYARD_RATE_LIMIT_PERIOD is wrong"),
        ("PACKYARD_TRUSTED_PROXIES", "10.0.0.0/8, 1.2.3.4/99", "PACKYARD_TRUSTED_PROXIES is wrong"),
        ("PACKYARD_CORS_ORIGINS", "app.example.com", "PACKYARD_CORS_ORIGINS is wrong: should be *, or origins such as"),
        ("PACKYARD_EXTERNAL_URL", "yard", "PACKYARD_EXTERNAL_URL is wrong"),
        ("PACKYARD_GRACE_PERIODE", "1", "unknown setting: PACKYARD_GRACE_PERIODE"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line_without_secrets(name: str, value: str, part: str) -> None:
    with pytest.raises(StartError) as refused:
        load_settings(environment={**_COMPLETE, name: value})

    assert part in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "sesame" not in str(refused.value)
    assert "same@" not in str(refused.value)


def test_a_server_that_is_not_used_needs_no_address() -> None:
    only = {name: value for name, value in _COMPLETE.items() if "DATABASE" in name}
    settings = load_settings(environment=only, needed={"database_url"})

    assert settings.database_url.get_secret_value() == only["PACKYARD_DATABASE_URL"]
    assert urlsplit(settings.broker_url.get_secret_value()).hostname == "unused.invalid", "nothing is reached by it"
    with pytest.raises(StartError, match=r"^PACKYARD_STORAGE_URL is not set$"):
        load_settings(environment=only, needed={"database_url", "storage_url"})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///yard?host=/run/postgresql",
        "postgresql://yard:sesame@one:5432,two:5433/yard?target_session_attrs=primary",
        "postgresql://yard:se%2Fsame@[::1]:5432/yard",
        "postgres://db",
    ],
)
def test_any_address_that_the_driver_takes_is_taken(url: str) -> None:
    assert load_settings(environment={**_COMPLETE, "PACKYARD_DATABASE_URL": url}).database_url.get_secret_value() == url


def test_the_environment_comes_above_defaults_and_what_is_empty_is_not_set() -> None:
    defaults = {**_COMPLETE, "PACKYARD_PORT": "80", "PACKYARD_LEASE": "9s"}

    settings = load_settings(environment={"PACKYARD_PORT": "81", "PACKYARD_LEASE": ""}, defaults=defaults)

    assert (settings.port, settings.lease) == (81, timedelta(seconds=9))


_DURATIONS = [name for name, field in Settings.model_fields.items() if isinstance(field.default, timedelta)]


@given(duration=st.timedeltas(timedelta(seconds=1), timedelta(days=3_650)), size=st.integers(0, 2**50))
@example(duration=timedelta(days=90), size=5 * 1024**3)
@example(duration=timedelta(milliseconds=1_500), size=1_234_567)
def test_every_value_that_is_printed_is_one_that_is_accepted(duration: timedelta, size: int) -> None:
    texts_of_all = {name: value for name, (value, _) in described(environment={}).items() if value != "(not set)"}
    plain = load_settings(environment=_COMPLETE)
    assert load_settings(environment={**_COMPLETE, **texts_of_all}) == plain

    odd = Settings.model_validate(plain.model_dump() | dict.fromkeys(_DURATIONS, duration) | {_SIZE: ByteSize(size)})
    texts = {f"PACKYARD_{name.upper()}": printed(getattr(odd, name)) for name in (*_DURATIONS, _SIZE)}

    assert load_settings(environment={**_COMPLETE, **texts}) == odd


def test_what_is_printed_is_short() -> None:
    durations = [timedelta(days=90), timedelta(0), timedelta(seconds=75), timedelta(milliseconds=1_500)]

    assert [printed(one) for one in durations] == ["90d", "0s", "75s", "1500ms"]
    assert [printed(ByteSize(one)) for one in (5 * 1024**3, 1_234_567, 0)] == ["5GiB", "1234567", "0"]


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        ("postgresql://yard:sesame@db/yard", "postgresql://yard:***@db/yard"),
        ("postgresql://yard:ses@me@db/yard", "postgresql://yard:***@db/yard"),
        ("postgresql://db/yard?user=yard&password=sesame&x=1", "postgresql://db/yard?user=yard&password=***&x=1"),
    ],
)
def test_secrets_are_masked_and_every_setting_has_a_meaning(url: str, printed: str) -> None:
    settings = described(environment={"PACKYARD_DATABASE_URL": url, "PACKYARD_PORT": "eighty"})

    assert settings["PACKYARD_DATABASE_URL"][0] == printed
    assert settings["PACKYARD_BROKER_URL"][0] == "(not set)"
    assert settings["PACKYARD_PORT"][0] == "eighty"
    assert settings["PACKYARD_LEASE"][0] == "1m"
    assert settings["PACKYARD_GENERIC_MAX_FILE_SIZE"][0] == "5GiB"
    assert settings["PACKYARD_CORS_ORIGINS"][0] == settings["PACKYARD_EXTERNAL_URL"][0] == "(not set)"
    assert all(meaning for _, meaning in settings.values())


def test_a_secret_in_a_file_is_what_the_file_says_now(tmp_path: Path) -> None:
    file = tmp_path / "database-url"
    file.write_text("postgresql://yard:sesame@db/yard\n", encoding="utf-8")
    settings = load_settings(environment={**_WITHOUT_DATABASE, "PACKYARD_DATABASE_URL_FILE": str(file)})

    assert settings.database_url.get_secret_value() == "postgresql://yard:sesame@db/yard"
    assert "sesame" not in repr(settings)
    file.write_text("postgresql://yard:mellon@db/yard", encoding="utf-8")
    assert settings.database_url.get_secret_value() == "postgresql://yard:mellon@db/yard"
    for nonsense in ("", "amqp://yard:mellon@db/yard", "postgresql://yard:mel/lon@db/yard"):
        file.write_text(nonsense, encoding="utf-8")
        assert settings.database_url.get_secret_value() == "postgresql://yard:mellon@db/yard"
    file.unlink()
    assert settings.database_url.get_secret_value() == "postgresql://yard:mellon@db/yard"


def test_any_setting_may_come_as_a_file_and_the_environment_decides_which(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_text("81\n", encoding="utf-8")
    environment = {**_COMPLETE, "PACKYARD_PORT_FILE": str(file)}

    assert load_settings(environment=environment).port == 81
    assert load_settings(environment={"PACKYARD_PORT": "82"}, defaults=environment).port == 82
    both = load_settings(environment={"PACKYARD_PORT_FILE": str(file)}, defaults={**_COMPLETE, "PACKYARD_PORT": "80"})
    assert both.port == 81
    assert described(environment=environment)["PACKYARD_PORT"][0] == f"(from {file})"


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("PACKYARD_BROKER_URL_FILE", None, "is wrong: cannot read"),
        ("PACKYARD_BROKER_URL_FILE", b"\xff", "it is no text"),
        (
            "PACKYARD_BROKER_URL_FILE",
            b"http://yard:sesame@mq",
            "PACKYARD_BROKER_URL is wrong: should begin with amqp://",
        ),
        ("PACKYARD_DATABASE_URL_FILE", b"postgresql://yard:sesame@db/yard", "are both set: one is enough"),
        ("PACKYARD_PROT_FILE", b"80", "unknown setting: PACKYARD_PROT_FILE"),
    ],
)
def test_a_wrong_file_is_named_in_one_line_without_its_content(
    tmp_path: Path, name: str, content: bytes | None, part: str
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    environment = _WITHOUT_BROKER if name.startswith("PACKYARD_BROKER") else _COMPLETE
    with pytest.raises(StartError) as refused:
        load_settings(environment={**environment, name: str(file)})

    assert part in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "sesame" not in str(refused.value)


def test_a_header_that_signs_in_needs_the_proxies_that_it_is_believed_from() -> None:
    with pytest.raises(StartError, match=r"PACKYARD_SIGN_IN_HEADER is wrong: .*PACKYARD_TRUSTED_PROXIES"):
        load_settings(environment={**_COMPLETE, "PACKYARD_SIGN_IN_HEADER": "X-Forwarded-User"})
