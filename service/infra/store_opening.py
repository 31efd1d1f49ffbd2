"""Opening the object store that the settings name."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store
from obstore.store import ObjectStore as Backend

from service.environment import PREFIX
from service.errors import StartError
from service.infra.aws_profile import find_profile
from service.infra.bucket_store import BucketStore
from service.infra.folder_store import open_folder
from service.infra.storage import ObjectStore
from service.settings import Settings

_OF_S3_ALONE: Final = ("storage_region", "storage_path_style")


def open_store(settings: Settings) -> ObjectStore:
    """Open the store; a local folder is made when it is missing, a bucket is not.

    Raises:
        StartError: the URL names no store, another setting does not go with it, or the folder cannot be written to.
    """
    parts = urlsplit(settings.storage_url)
    _require_fitting(settings, parts.scheme)
    if parts.scheme == "file":
        return open_folder(Path(unquote(parts.path)))
    if not parts.netloc:
        raise StartError(f"PACKYARD_STORAGE_URL is wrong: should name a bucket, as in {parts.scheme}://bucket/prefix")
    try:
        return BucketStore(_open_bucket(settings, scheme=parts.scheme, bucket=parts.netloc, prefix=parts.path))
    except (BaseError, ValueError) as error:
        raise StartError(f"PACKYARD_STORAGE_URL: {str(error).partition(chr(10))[0]}") from error


def _require_fitting(settings: Settings, scheme: str) -> None:
    if scheme == "file" and settings.storage_endpoint:
        raise StartError("PACKYARD_STORAGE_ENDPOINT is wrong: a folder has none")
    if scheme == "file" and settings.download_redirect:
        raise StartError("PACKYARD_DOWNLOAD_REDIRECT is wrong: a file in a folder has no address")
    for name in _OF_S3_ALONE:
        if scheme != "s3" and getattr(settings, name) != Settings.model_fields[name].default:
            raise StartError(f"{PREFIX}{name.upper()} is wrong: only s3:// has one")


def _open_bucket(settings: Settings, *, scheme: str, bucket: str, prefix: str) -> Backend:
    endpoint = str(settings.storage_endpoint).rstrip("/") if settings.storage_endpoint else None
    common: dict[str, Any] = {
        "prefix": prefix.strip("/") or None,
        "client_options": {
            "allow_http": endpoint is not None and endpoint.startswith("http://"),
            "connect_timeout": settings.storage_connect_timeout,
            "read_timeout": settings.storage_request_timeout,
            # Of a whole request, the bytes included: a large object may take long as long as it goes on.
            "timeout": timedelta(days=1),
        },
        "retry_config": {
            "max_retries": settings.storage_retries,
            "retry_timeout": settings.storage_request_timeout,
        },
    }
    if scheme == "gs":
        of_google: Any = {"base_url": endpoint} if endpoint else {}
        return GCSStore(bucket, config=of_google, **common)
    if scheme == "az":
        of_azure: Any = {"endpoint": endpoint} if endpoint else {}
        return AzureStore(bucket, config=of_azure, **common)
    profile = find_profile(os.environ)  # noqa: TID251 - Amazon's variables, which are no settings of ours
    if profile:
        common["credential_provider"] = profile
    return S3Store(bucket, config=_config_of_s3(settings, endpoint, bucket), **common)


def _config_of_s3(settings: Settings, endpoint: str | None, bucket: str) -> Any:
    config: dict[str, Any] = {}
    if endpoint:
        # The library wants the bucket within the address where it stands in front of the host name.
        config["endpoint"] = endpoint if settings.storage_path_style else endpoint.replace("://", f"://{bucket}.", 1)
    if settings.storage_region:
        config["region"] = settings.storage_region
    if not settings.storage_path_style:
        config["virtual_hosted_style_request"] = True
    return config
