"""Imported before papermill: keep modules that a runner never uses from being imported with it.

Those who import them do without where they are missing. jsonschema's checker of IRIs builds a
parser for 2 s at import, and papermill's remote file systems load pyarrow and boto3. Without them a
runner is up in 0.8 s.
"""

import sys

UNUSED = ("rfc3987_syntax", "pyarrow", "boto3")

# Python's documented way to make an import fail:
# https://docs.python.org/3/reference/import.html#the-module-cache
for _name in UNUSED:
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]
