"""Sets openai's client up so that no request is sent twice while the first may be answered."""

import re
import socket
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from autoresearch_kit.errors import RefusedError
from autoresearch_kit.researchers.llm.wording import OPENAI_URL, Scrubber
from autoresearch_kit.researchers.model import Model

CONNECT_SECONDS = 10.0

_NEVER_IN_A_KEY = re.compile(r"[^!-~]")
"""A character that no header can hold, and no key has."""

NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError)
"""Failures after which the endpoint has certainly not seen the request."""


class _HttpClient(openai.DefaultHttpxClient):
    """Sends each request once.

    openai's client makes a request again after every timeout and every lost connection, but not
    after an error of its own kind. So all failures that come after the request was sent are turned
    into such; what was not sent, or is refused by a status, it goes on making again.
    """

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Return the response, as soon as its headers are there.

        Raises:
            openai.APITimeoutError: it was sent, and nothing came for too long.
            openai.APIConnectionError: it was sent, and the connection was lost.
            httpx2.TransportError: it was not sent.
        """
        if self.is_closed:
            raise openai.APIConnectionError(message="the client is closed", request=request)
        try:
            return super().send(request, **options)
        except NOT_SENT:
            raise
        except httpx2.ReadTimeout as error:
            raise openai.APITimeoutError(request) from error
        except httpx2.TransportError as error:
            raise openai.APIConnectionError(request=request) from error


def make_client(model: Model) -> openai.OpenAI:
    """Make a client of the model's endpoint, as patient as `model` says.

    Raises:
        RefusedError: the address or the key has a form that can't be right; the message names
            the setting.
    """
    base_url = model.research.base_url or OPENAI_URL
    _check_address(base_url, Scrubber(model.key).scrub(base_url))
    _check_key(model.key)
    return openai.OpenAI(
        api_key=model.key or "none",  # servers of one's own want none, the client does
        base_url=base_url,
        max_retries=model.retries,
        timeout=openai.Timeout(model.timeout, connect=min(model.timeout, CONNECT_SECONDS)),
        http_client=_HttpClient(),
    )


def hang_up(response: httpx2.Response) -> None:
    """End the connection, so that a thread which reads from it, and the endpoint, see so at once.

    To close it would do neither while another thread waits for its next byte.
    """
    stream = response.extensions.get("network_stream")
    if stream is not None:
        with suppress(OSError):
            stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


def _check_address(url: str, shown: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise RefusedError(
            f"OPENAI_BASE_URL is '{shown}'; it must be an address such as {OPENAI_URL} "
            "or http://localhost:11434/v1"
        )


def _check_key(key: str) -> None:
    if _NEVER_IN_A_KEY.search(key):
        raise RefusedError(
            "OPENAI_API_KEY holds a character that no key has (a space, the end of a line, "
            "a typographic quote); copy it again"
        )
