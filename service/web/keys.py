"""Keys of the values that the pages keep in the application."""

from typing import Final

from aiohttp import web

from service.web.sessions.attempts import Attempts

ATTEMPTS: Final = web.AppKey("attempts", Attempts)
"""The failed attempts to sign in of this process."""
