"""The language model that a campaign asks: how, and with which key."""

from dataclasses import dataclass, field

from autoresearch_kit.errors import EndpointError, RefusedError
from autoresearch_kit.records import Research
from autoresearch_kit.retry import PATIENCE, Patience


@dataclass(frozen=True)
class Model:
    """How a language model is asked. The key is never written down, nor shown."""

    research: Research
    key: str = field(repr=False)
    patience: Patience = PATIENCE

    def check(self, *, must_answer: bool = False) -> None:
        """Ask it for a word, so that a wrong setting shows before anything runs.

        Raises:
            RefusedError: the key or the model's name is wrong; the message names the setting.
            EndpointError: nobody answers, and `must_answer`.
        """
        from autoresearch_kit.researchers.llm.endpoint import Endpoint  # loads slowly

        endpoint = Endpoint(self.research, self.key, self.patience)
        try:
            endpoint.check()
        except RefusedError:
            raise
        except EndpointError:
            if must_answer:
                raise
        finally:
            endpoint.close()
