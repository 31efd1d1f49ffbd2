"""Opening stores: what the settings say of endpoint, region and path style, and whose credentials are used."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from service.errors import StartError
from service.infra.storage.bucket.aws_profile import find_profile
from tests.support.buckets import open_at


def _backend(url: str, **settings: str) -> Any:
    return open_at(url, **settings)._backend  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


def test_a_bucket_of_s3_has_its_endpoint_region_and_prefix() -> None:
    backend = _backend("s3://acme/yard/one/", endpoint="http://127.0.0.1:9000", region="eu-central-1")

    assert backend.prefix == "yard/one"
    assert backend.config == {
        "bucket": "acme",
        "disable_bulk_delete": "true",
        "endpoint": "http://127.0.0.1:9000",
        "region": "eu-central-1",
    }
    assert backend.client_options["allow_http"] in {True, "true"}


def test_without_path_style_the_bucket_stands_before_the_host() -> None:
    backend = _backend("s3://acme", endpoint="https://s3.example.com:9000", path_style="false")

    assert backend.config["endpoint"] == "https://acme.s3.example.com:9000"
    assert backend.config["virtual_hosted_style_request"] in {True, "true"}
    assert backend.prefix is None


def test_a_bucket_of_google_and_a_container_of_azure_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "acme")

    google = _backend("gs://packages/yard", endpoint="http://127.0.0.1:4443")
    azure = _backend("az://packages/yard")

    assert (type(google).__name__, google.config["bucket"], google.prefix) == ("GCSStore", "packages", "yard")
    assert google.config["base_url"] == "http://127.0.0.1:4443"
    assert (type(azure).__name__, azure.config["container_name"], azure.prefix) == ("AzureStore", "packages", "yard")


def test_time_limits_and_repetitions_are_those_of_the_settings() -> None:
    backend = _backend("s3://acme", connect_timeout="2s", request_timeout="7s", retries="4")

    assert backend.retry_config["max_retries"] == 4
    assert backend.retry_config["retry_timeout"].total_seconds() == 7
    assert {name: str(backend.client_options[name]) for name in ("connect_timeout", "read_timeout")} == {
        "connect_timeout": "2s",
        "read_timeout": "7s",
    }


@pytest.mark.parametrize(
    ("url", "settings", "line"),
    [
        ("s3:///prefix", {}, "PACKYARD_STORAGE_URL is wrong: should name a bucket, as in s3://bucket/prefix"),
        ("file:///srv", {"endpoint": "http://x"}, "PACKYARD_STORAGE_ENDPOINT is wrong: a folder has none"),
        ("gs://acme", {"region": "eu"}, "PACKYARD_STORAGE_REGION is wrong: only s3:// has one"),
        ("az://acme", {"path_style": "false"}, "PACKYARD_STORAGE_PATH_STYLE is wrong: only s3:// has one"),
        ("s3://acme", {"endpoint": "somewhere"}, "PACKYARD_STORAGE_ENDPOINT is wrong: "),
        ("s3://acme", {"region": "eu central"}, "PACKYARD_STORAGE_REGION is wrong: "),
        ("s3://acme", {"retries": "-1"}, "PACKYARD_STORAGE_RETRIES is wrong: "),
        ("s3://acme", {"request_timeout": "0"}, "PACKYARD_STORAGE_REQUEST_TIMEOUT is wrong: should be more than 0"),
        ("s3://acme", {"delete_concurrency": "0"}, "PACKYARD_STORAGE_DELETE_CONCURRENCY is wrong: "),
        ("s3://acme", {"delete_rate": "fast"}, "PACKYARD_STORAGE_DELETE_RATE is wrong: "),
        ("az://packages", {}, "PACKYARD_STORAGE_URL: "),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(url: str, settings: Mapping[str, str], line: str) -> None:
    with pytest.raises(StartError) as refused:
        open_at(url, **settings)

    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)


def _write(tmp_path: Path) -> Mapping[str, str]:
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text(
        "[default]\naws_access_key_id = D\naws_secret_access_key = d%\n"
        "[yard]\naws_access_key_id = Y\naws_secret_access_key = y\naws_session_token = t\n",
        encoding="utf-8",
    )
    (folder / "config").write_text(
        "[profile other]\naws_access_key_id = O\naws_secret_access_key = o\n[profile sso]\nsso_session = acme\n",
        encoding="utf-8",
    )
    return {"HOME": str(tmp_path)}


@pytest.mark.parametrize(
    ("variables", "keys"),
    [
        ({}, ("D", "d%", None)),
        ({"AWS_PROFILE": "yard"}, ("Y", "y", "t")),
        ({"AWS_PROFILE": "other"}, ("O", "o", None)),
        ({"AWS_PROFILE": "yard", "AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}, ("Y", "y", "t")),
    ],
)
def test_a_profile_gives_its_keys(
    tmp_path: Path, variables: Mapping[str, str], keys: tuple[str, str, str | None]
) -> None:
    profile = find_profile({**_write(tmp_path), **variables})

    assert profile is not None
    found = profile()
    assert (found["access_key_id"], found["secret_access_key"], found["token"]) == keys


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_ACCESS_KEY_ID": "A", "AWS_PROFILE": "yard"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.2/"},
        {"AWS_SHARED_CREDENTIALS_FILE": "/nowhere"},
    ],
)
def test_what_comes_before_a_profile_is_left_to_the_library(tmp_path: Path, variables: Mapping[str, str]) -> None:
    assert find_profile({**_write(tmp_path), **variables}) is None


@pytest.mark.parametrize("name", ["sso", "nobody"])
def test_a_profile_without_keys_stops_the_start(tmp_path: Path, name: str) -> None:
    with pytest.raises(StartError, match=f"AWS_PROFILE: the profile '{name}' has no keys in "):
        find_profile({**_write(tmp_path), "AWS_PROFILE": name})


def test_a_key_that_was_rotated_is_read_anew(tmp_path: Path) -> None:
    profile = find_profile(_write(tmp_path))
    assert profile is not None
    path = tmp_path / ".aws" / "credentials"
    path.write_text(path.read_text(encoding="utf-8").replace("= D", "= E"), encoding="utf-8")

    assert profile()["access_key_id"] == "E"
