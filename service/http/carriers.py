"""The places in a request that may carry a credential, and which of them a route reads."""

from enum import StrEnum
from typing import Final


class Carrier(StrEnum):
    """Where a request may carry a credential."""

    PRIVATE_TOKEN_HEADER = "PRIVATE-TOKEN"
    PRIVATE_TOKEN_PARAMETER = "private_token"
    BEARER = "bearer"
    ACCESS_TOKEN_PARAMETER = "access_token"
    JOB_TOKEN_HEADER = "JOB-TOKEN"
    JOB_TOKEN_PARAMETER = "job_token"
    DEPLOY_TOKEN_HEADER = "Deploy-Token"
    BASIC = "basic"
    NUGET_API_KEY = "X-NuGet-ApiKey"


PERSONAL: Final = frozenset(
    {
        Carrier.PRIVATE_TOKEN_HEADER,
        Carrier.PRIVATE_TOKEN_PARAMETER,
        Carrier.BEARER,
        Carrier.ACCESS_TOKEN_PARAMETER,
    }
)
"""Credentials that every route reads: a user's own token."""

OF_PROJECT: Final = PERSONAL | {Carrier.JOB_TOKEN_HEADER, Carrier.JOB_TOKEN_PARAMETER}
"""Credentials that routes below a project read."""

OF_PACKAGE_MANAGERS: Final = OF_PROJECT | {Carrier.DEPLOY_TOKEN_HEADER, Carrier.BASIC}
"""Credentials that routes for package managers read."""

OF_NUGET_WRITES: Final = OF_PACKAGE_MANAGERS | {Carrier.NUGET_API_KEY}
"""Credentials that NuGet's push and deletion read."""

NO_CREDENTIALS: Final = frozenset[Carrier]()
"""For routes that do not care who asks."""
