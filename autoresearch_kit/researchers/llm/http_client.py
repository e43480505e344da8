"""An HTTP client that sends each request once, and can be made to hang up."""

import socket
from contextlib import suppress
from typing import Any

import httpx2
import openai

NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError)
"""Failures after which the endpoint has certainly not seen the request."""


class HttpClient(openai.DefaultHttpxClient):
    """Sends each request once.

    openai's client makes a request again after every timeout and every lost connection, but not
    after an error of its own kind. So all failures that come after the request was sent are turned
    into such; what was not sent, or is refused by a status, it goes on making again.
    """

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Return the response, as soon as its headers are there."""
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


def hang_up(response: httpx2.Response) -> None:
    """End the connection, so that a thread which reads from it, and the endpoint, see so at once.

    To close it would do neither while another thread waits for its next byte.
    """
    stream = response.extensions.get("network_stream")
    if stream is not None:
        with suppress(OSError):
            stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
