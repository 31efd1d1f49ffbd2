"""Opening the object store that the settings name."""

from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from service.environment import PREFIX
from service.errors import StartError
from service.infra.storage.folder.store import open_folder
from service.infra.storage.interface import ObjectStore
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
    from service.infra.storage.bucket.opening import open_bucket  # 5 MiB that a folder does without

    return open_bucket(settings, scheme=parts.scheme, bucket=parts.netloc, prefix=parts.path.strip("/"))


def _require_fitting(settings: Settings, scheme: str) -> None:
    if scheme == "file" and settings.storage_endpoint:
        raise StartError("PACKYARD_STORAGE_ENDPOINT is wrong: a folder has none")
    if scheme == "file" and settings.download_redirect:
        raise StartError("PACKYARD_DOWNLOAD_REDIRECT is wrong: a file in a folder has no address")
    for name in _OF_S3_ALONE:
        if scheme != "s3" and getattr(settings, name) != Settings.model_fields[name].default:
            raise StartError(f"{PREFIX}{name.upper()} is wrong: only s3:// has one")
