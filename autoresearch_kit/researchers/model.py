"""The language model that a campaign asks: how, and with which key."""

from dataclasses import dataclass, field, replace

from autoresearch_kit.errors import EndpointError, RefusedError
from autoresearch_kit.records import Research

CHECK_SECONDS = 180.0
"""The time that one word may take."""


@dataclass(frozen=True)
class Model:
    """The settings by which a language model is asked. The key is never written down or shown.

    A request that the endpoint refuses for now is made again `retries` times. An answer is given
    up when for `timeout` seconds no byte of it has come: models think for minutes, but where they
    stream, something arrives while they do.
    """

    research: Research
    key: str = field(repr=False)
    retries: int = 4
    timeout: float = 600.0

    def check(self, *, must_answer: bool = False) -> None:
        """Ask it for a word, so that a wrong setting shows before anything runs.

        Raises:
            RefusedError: the key or the model's name is wrong; the message names the setting.
            EndpointError: nobody answers, and `must_answer`.
        """
        from autoresearch_kit.researchers.llm.endpoint import Endpoint  # loads slowly

        once = replace(self, retries=0, timeout=min(self.timeout, CHECK_SECONDS))
        endpoint = Endpoint(once)
        try:
            endpoint.check()
        except RefusedError:
            raise
        except EndpointError:
            if must_answer:
                raise
        finally:
            endpoint.close()
