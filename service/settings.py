"""The settings: what they are called, and what they mean."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo

from schemas.fields import Duration
from service.configuration.printed_values import printed
from service.configuration.secret_files import SecretFile
from service.configuration.values import (
    MASKED,
    Hosts,
    LogFormat,
    LogLevel,
    Networks,
    Origins,
    Port,
    PositiveDuration,
    SecretKeys,
    TimesOfDay,
    scheme_in,
)
from service.environment import FILE, PREFIX, layered
from service.errors import MissingSettingError, StartError

ServerAddress: TypeAlias = Literal["database_url", "broker_url", "storage_url"]
"""The settings without a default: where the servers are."""

_NOWHERE: Final[Mapping[ServerAddress, str]] = MappingProxyType(
    {
        "database_url": "postgresql://unused.invalid",
        "broker_url": "amqp://unused.invalid",
        "storage_url": "file:///nowhere/unused.invalid",
    }
)
EVERY_SERVER: Final[frozenset[ServerAddress]] = frozenset(_NOWHERE)


class Settings(BaseModel):
    """Every setting, with what it means.

    Each is read from `PACKYARD_<NAME>`, or from the file that `PACKYARD_<NAME>_FILE` names.
    """

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, extra="forbid")

    database_url: Annotated[SecretStr, scheme_in("postgresql", "postgres")]
    """The PostgreSQL database (15 or later) that holds everything but bytes: postgresql://user:password@host/name."""

    broker_url: Annotated[SecretStr, scheme_in("amqp", "amqps")]
    """The RabbitMQ virtual host: amqp://user:password@host:5672/vhost. Several hosts, with commas between them, are
    nodes of one cluster; the first that can be used is."""

    management_url: Annotated[SecretStr, scheme_in("http", "https")] | None = None
    """RabbitMQ's management API, http://user:password@host:15672/vhost, for `packyard roles broker` and
    `packyard subscribers`."""

    storage_url: Annotated[str, scheme_in("file", "s3", "gs", "az")]
    """Where objects are kept: file:///path, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix."""

    external_url: HttpUrl | None = None
    """The address under which clients reach the API; links in answers begin with it. Without it, they begin as the
    client's request did."""

    host: Hosts = ("127.0.0.1",)
    """The addresses or host names on which a process listens, with commas between them; :: alone is every address,
    IPv4 and IPv6."""

    port: Port = 8080
    """The port on which the API listens; 0 takes a free one."""

    health_port: Port | None = None
    """A port on which every process answers /-/live, /-/ready and /-/metrics, at HOST; 0 takes a free one. With it the
    API's own port has no /-/metrics; without it only the API answers, on its own port."""

    drain: Duration = timedelta(0)
    """How long the API goes on serving after SIGTERM while /-/ready already says no: 5s behind a load balancer."""

    finish_within: Duration = timedelta(seconds=18)
    """How long requests under way may still take once DRAIN is over. Connections whose requests are not over by then
    are reset."""

    packages_enabled: bool = True
    """Whether packages are served at all; if not, every route of theirs answers 404."""

    generic_max_file_size: ByteSize = ByteSize(5 * 1024**3)
    """How large an uploaded generic file may be, such as 5GiB; 0 is no limit."""

    pypi_max_file_size: ByteSize = ByteSize(3 * 1024**3)
    """How large a file of a PyPI package may be, such as 3GiB; 0 is no limit."""

    nuget_max_file_size: ByteSize = ByteSize(500 * 1024**2)
    """How large a NuGet package, or its symbols, may be, such as 500MiB; 0 is no limit."""

    helm_max_file_size: Annotated[ByteSize, Field(ge=1, le=64 * 1024**2)] = ByteSize(5 * 1024**2)
    """How large a packed Helm chart may be, at most 64MiB: the API keeps it in memory while it reads Chart.yaml."""

    npm_max_file_size: ByteSize = ByteSize(500 * 1024**2)
    """How large the tarball of an npm package may be, such as 500MiB; 0 is no limit."""

    maven_max_file_size: ByteSize = ByteSize(3 * 1024**3)
    """How large a file of a Maven package may be, such as 3GiB; 0 is no limit."""

    pypi_forwarding_url: HttpUrl | None = None
    """The index to which reads of unknown PyPI names are redirected, such as https://pypi.org/simple; none by default.
    A name that any project ever had is never forwarded; its 404 then shows that the name exists."""

    npm_forwarding_url: HttpUrl | None = None
    """The registry to which reads of unknown npm names are redirected, such as https://registry.npmjs.org; none by
    default."""

    maven_forwarding_url: HttpUrl | None = None
    """The repository to which reads of unknown Maven artifacts are redirected, such as
    https://repo.maven.apache.org/maven2; none by default."""

    rate_limit: Annotated[int, Field(ge=0)] = 0
    """How many requests one caller may make within a period, in each process of the API; 0 is no limit."""

    rate_limit_period: Annotated[Duration, Field(ge=timedelta(seconds=1))] = timedelta(minutes=1)
    """The period of the rate limit."""

    trusted_proxies: Networks = ()
    """Networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, such as 10.0.0.0/8, with commas
    between them."""

    sign_in_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] | None = None
    """The header in which a proxy that authenticates names the user of a page, such as X-Forwarded-User. It is believed
    from TRUSTED_PROXIES only, and the API never reads it; without it, users sign in with a personal token."""

    request_timeout: PositiveDuration = timedelta(seconds=75)
    """How long a client may take to send a request's header, or the next piece of its body. Idle connections are also
    closed after this time."""

    read_timeout: PositiveDuration = timedelta(seconds=5)
    """How long a search, or a list of more than 100 projects, may take in the database; then the answer is 503."""

    cors_origins: Origins = ()
    """Web origins whose scripts may use the API, with commas between them, or *; none by default."""

    grace_period: Duration = timedelta(0)
    """How long a marked package can be restored before its bytes are removed; 0 removes them immediately. Groups
    and projects can set their own time in the directory file."""

    retention_grace: Duration = timedelta(days=7)
    """How long a package that a retention rule deletes can be restored at least, whatever its project and groups
    say."""

    lease: PositiveDuration = timedelta(seconds=60)
    """How long a worker may hold a deletion without renewing; twice this is the longest that a crash can delay it."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 6
    """How often a deletion is attempted before its package is shown in `error`; an outage of the store is no
    attempt."""

    backoff: PositiveDuration = timedelta(seconds=5)
    """The pause before the second attempt; each further one is five times as long, up to an hour, with jitter."""

    resend: PositiveDuration = timedelta(seconds=60)
    """How long a command may go unanswered before it is sent again; doubled each time, up to an hour."""

    storage_endpoint: HttpUrl | None = None
    """The address of an S3-compatible server, or of another one than Google's or Azure's own: https://host:port."""

    storage_region: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] | None = None
    """The region of an S3 bucket; without it, AWS_REGION or us-east-1."""

    storage_path_style: bool = True
    """Whether the bucket of S3 is in the path of the address; if not, it is in front of the host name."""

    storage_connect_timeout: PositiveDuration = timedelta(seconds=5)
    """How long connecting to the object store may take."""

    storage_request_timeout: PositiveDuration = timedelta(seconds=30)
    """How long the object store may take to answer a request, or to send the next piece of an object. The first piece
    may take 10 seconds at most."""

    storage_retries: Annotated[int, Field(ge=0, le=10)] = 2
    """How often a failed request to the object store is repeated immediately. A repetition only begins within the time
    limit of one request."""

    storage_timeout: PositiveDuration = timedelta(seconds=60)
    """How long the object store may take over one chunk of removals."""

    download_redirect: bool = False
    """Whether a download is answered with an address in the bucket in place of the bytes. The address is valid for five
    minutes, and clients have to reach the bucket."""

    storage_delete_concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """How many chunks one worker removes at the same time."""

    storage_delete_rate: Annotated[int, Field(ge=0)] = 0
    """How many objects one worker removes in a second; 0 is no limit."""

    check_times: TimesOfDay = "03:00"
    """The times of day (UTC) at which the scheduler compares storage and database, such as 03:00 or 01:30,13:30. The
    value `never` turns that off."""

    check_repair: bool = False
    """Whether these checks also put right what they can: take orphaned objects aside, mend figures."""

    orphan_age: PositiveDuration = timedelta(hours=24)
    """How old an object without a file has to be before it counts as orphaned; no upload may take as long."""

    quarantine_retention: PositiveDuration = timedelta(days=7)
    """How long an orphaned object that was taken aside is kept before it is removed for good."""

    outbox_limit: PositiveDuration = timedelta(minutes=15)
    """How long a command may have waited for the broker before bulk_delete is answered with 503; all else goes on."""

    outbox_retention: PositiveDuration = timedelta(days=7)
    """How long a published command is kept in the outbox."""

    event_retention: PositiveDuration = timedelta(days=30)
    """How long the log in the database keeps events, in whole days (UTC). An unpublished event is kept longer."""

    deletion_retention: PositiveDuration = timedelta(days=90)
    """How long the record of a deletion outlives its end; that of a failed one stays as long as its package."""

    idempotency_retention: PositiveDuration = timedelta(days=1)
    """How long an answer is kept for a client that asks again with the same Idempotency-Key."""

    secret_keys: SecretKeys = ()
    """Keys of 32 bytes in URL-safe base64, with commas between them, for the secrets of webhooks. The first encrypts,
    all decrypt. Without one, nobody can add a webhook."""

    webhook_allowed_networks: Networks = ()
    """Networks besides the public internet that webhooks may reach, such as 10.1.0.0/16, with commas between them. Only
    there they may use plain http."""

    webhook_timeout: PositiveDuration = timedelta(seconds=10)
    """How long a receiver of webhooks may take for everything: name, connection, TLS, request and answer."""

    webhook_concurrency: Annotated[int, Field(ge=2, le=500)] = 50
    """How many webhooks one deliverer works on at the same time; at most half of them are ones that fail."""

    log_level: LogLevel = LogLevel.INFO
    """The least severe line that is logged: debug, info, warning or error."""

    log_format: LogFormat = LogFormat.JSON
    """json, one object a line, or console, for people."""

    @field_validator("sign_in_header")
    @classmethod
    def _needs_proxies(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not info.data.get("trusted_proxies"):
            raise ValueError("it is believed from PACKYARD_TRUSTED_PROXIES only, and that is not set")
        return value


def load_settings(
    *,
    environment: Mapping[str, str] | None = None,
    defaults: Mapping[str, str] = MappingProxyType({}),
    needed: Collection[ServerAddress] = EVERY_SERVER,
) -> Settings:
    """Read the settings from *environment* (the process's own when None), and from *defaults* what it does not set.

    The address of a server that is not *needed* may be missing; then it is one that leads nowhere.

    Raises:
        StartError: a setting is unknown, missing or wrong; the text names each.
    """
    values = _named(layered(defaults, environment))
    unknown = sorted(name for name in values if _plain(name) not in Settings.model_fields)
    if unknown:
        names = ", ".join(PREFIX + name.upper() for name in unknown)
        raise StartError(f"unknown setting: {names} (`packyard settings` lists the known ones)")
    try:
        given = {_plain(name): _value(name, value) for name, value in values.items()}
        nowhere = {name: address for name, address in _NOWHERE.items() if name not in needed}
        return Settings.model_validate(nowhere | given)
    except ValidationError as error:
        problems = error.errors()
        is_missing = any(problem["type"] == "missing" for problem in problems)
        kind = MissingSettingError if is_missing else StartError
        raise kind("; ".join(_sentence(dict(problem)) for problem in problems)) from None


def described(
    *, environment: Mapping[str, str] | None = None, defaults: Mapping[str, str] = MappingProxyType({})
) -> dict[str, tuple[str, str]]:
    """Return each setting's variable -> (value with secrets masked, meaning), whether the values are right or not."""
    values = _named(layered(defaults, environment))
    files = {_plain(name): f"(from {path})" for name, path in values.items() if _plain(name) != name}
    return {
        PREFIX + name.upper(): (
            files.get(name, _shown(field, values.get(name, field.default))),
            " ".join((field.description or "").split()),
        )
        for name, field in Settings.model_fields.items()
    }


def _shown(field: FieldInfo, value: object) -> str:
    return "***" if value and MASKED in field.metadata else printed(value)


def _plain(name: str) -> str:
    """Return the setting that *name* is about, whether it is given itself or as a file."""
    plain = name.removesuffix(FILE.lower())
    return plain if plain in Settings.model_fields else name


def _value(name: str, value: str) -> str | SecretStr:
    if _plain(name) == name:
        return value
    try:
        secret = SecretFile(Path(value))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no text"
        raise StartError(f"{PREFIX}{name.upper()} is wrong: cannot read {value}: {reason.lower()}") from error
    return secret if Settings.model_fields[_plain(name)].annotation is SecretStr else secret.get_secret_value()


def _named(variables: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(PREFIX).lower(): value for name, value in variables.items()}


def _sentence(problem: Mapping[str, object]) -> str:
    location = problem["loc"]
    name = PREFIX + str(location[0] if isinstance(location, tuple) else location).upper()
    if problem["type"] == "missing":
        return f"{name} is not set"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{name} is wrong: {message[:1].lower()}{message[1:]}"
