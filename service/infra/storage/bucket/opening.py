"""Opening a bucket that the settings name."""

from datetime import timedelta
from typing import Any, Final

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from service.environment import process_environment
from service.errors import StartError
from service.infra.storage.bucket.aws_profile import find_profile
from service.infra.storage.bucket.bulk_requests import Access, BulkRequests
from service.infra.storage.bucket.store import BucketStore
from service.infra.storage.interface import DEFAULT_PATIENCE, Patience
from service.settings import Settings

_IDLE: Final = timedelta(seconds=10)
"""How long a connection stays open between two requests; the peer of an older one may have gone away in silence."""


def open_bucket(settings: Settings, *, scheme: str, bucket: str, prefix: str) -> BucketStore:
    """Open the bucket.

    Raises:
        StartError: the library refuses its address or name.
    """
    try:
        return _open(settings, scheme=scheme, bucket=bucket, prefix=prefix)
    except (BaseError, ValueError) as error:
        raise StartError(f"PACKYARD_STORAGE_URL: {str(error).partition(chr(10))[0]}") from error


def _open(settings: Settings, *, scheme: str, bucket: str, prefix: str) -> BucketStore:
    endpoint = str(settings.storage_endpoint).rstrip("/") if settings.storage_endpoint else None
    options = _options(settings)
    patience = _patience(settings)
    if scheme == "gs":
        of_google: Any = {"base_url": endpoint} if endpoint else {}
        return BucketStore(GCSStore(bucket, prefix=prefix or None, config=of_google, **options), patience)
    if scheme == "az":
        of_azure: Any = {"endpoint": endpoint} if endpoint else {}
        return BucketStore(AzureStore(bucket, prefix=prefix or None, config=of_azure, **options), patience)
    profile = find_profile(process_environment())
    if profile:
        options["credential_provider"] = profile
    config = _config_of_s3(settings, endpoint, bucket)

    def open_at(address: str | None) -> S3Store:
        there: Any = {**config, "endpoint": address, "virtual_hosted_style_request": True} if address else config
        return S3Store(bucket, config=there, **options)

    access = Access(
        opening=open_at,
        prefix=prefix,
        connect_timeout=settings.storage_connect_timeout,
        request_timeout=settings.storage_request_timeout,
        retries=settings.storage_retries,
    )
    return BucketStore(S3Store(bucket, prefix=prefix or None, config=config, **options), patience, BulkRequests(access))


def _patience(settings: Settings) -> Patience:
    first_byte = min(DEFAULT_PATIENCE.first_byte, settings.storage_request_timeout)
    return Patience(first_byte=first_byte, removal=settings.storage_timeout)


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "client_options": {
            "allow_http": settings.storage_endpoint is not None and settings.storage_endpoint.scheme == "http",
            "connect_timeout": settings.storage_connect_timeout,
            "read_timeout": settings.storage_request_timeout,
            # The limit of a whole request, with all its bytes: a large object may take long while bytes still come.
            "timeout": timedelta(days=1),
            "pool_idle_timeout": _IDLE,
        },
        "retry_config": {
            "max_retries": settings.storage_retries,
            "retry_timeout": settings.storage_request_timeout,
        },
    }


def _config_of_s3(settings: Settings, endpoint: str | None, bucket: str) -> Any:
    # A single removal must be a plain DELETE: the library would send a bulk delete of one key.
    config: dict[str, Any] = {"disable_bulk_delete": True}
    if endpoint:
        # The library wants the bucket within the address if it is in front of the host name.
        config["endpoint"] = endpoint if settings.storage_path_style else endpoint.replace("://", f"://{bucket}.", 1)
    if settings.storage_region:
        config["region"] = settings.storage_region
    if not settings.storage_path_style:
        config["virtual_hosted_style_request"] = True
    return config
