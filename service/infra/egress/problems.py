"""Failures of requests in one line for the owner of a webhook."""

import errno
import os
import ssl

import aiohttp


class AddressNotAllowedError(OSError):
    """The address is not one that such requests may go to."""

    def __init__(self) -> None:
        """Name no address: the caller may not learn which one a name of this network has."""
        super().__init__(errno.EACCES, "the address is not allowed")


def problem_of(error: BaseException) -> str:
    """Return why there is no answer."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = error.certificate_error
            text = f"the certificate is not valid: {getattr(reason, 'verify_message', '') or reason}"
        case aiohttp.ClientConnectorDNSError():
            text = "the host name cannot be resolved"
        case aiohttp.ClientConnectorError():
            text = _of_connection(error.os_error)
        case ssl.SSLError():
            text = f"TLS failed: {error.reason or 'no reason given'}"
        case aiohttp.ServerDisconnectedError() | ConnectionResetError() | BrokenPipeError():
            text = "the receiver closed the connection"
        case aiohttp.ClientPayloadError():
            text = "the receiver closed the connection in the middle of its answer"
        case aiohttp.ClientResponseError():
            text = "the answer is not HTTP"
        case _:
            text = f"the request failed: {type(error).__name__}"
    return text


def _of_connection(error: OSError) -> str:
    if isinstance(error, AddressNotAllowedError) or "the address is not allowed" in str(error):
        return "the address is not allowed"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'no reason given'}"
    return f"cannot connect: {os.strerror(error.errno).lower() if error.errno else 'no reason given'}"
