"""Takes secrets out of texts that are written down or shown."""

import re

SECRET = "[secret]"
LEAST = 6  # characters of a secret below which replacing it would garble ordinary text
_SHAPES = re.compile(
    r"\bsk-[A-Za-z0-9_-]{8,}"
    r"|(?<=Bearer )[^\s\"'\\,]{8,}"
    r"|(?<=://)[^\s/@:\"']+:[^\s/@\"']+(?=@)"  # user:password@host
)


class Scrubber:
    """Replaces known secrets, and what is shaped like a key."""

    def __init__(self, *secrets: str) -> None:
        # the longest first: a secret may hold another
        self._secrets = sorted((s for s in secrets if len(s) >= LEAST), key=len, reverse=True)

    def scrub(self, text: str) -> str:
        """Return `text` with `[secret]` instead of each secret."""
        for secret in self._secrets:
            text = text.replace(secret, SECRET)
        return _SHAPES.sub(SECRET, text)
