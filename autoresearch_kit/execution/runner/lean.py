"""Imported before papermill: keeps what a runner never uses from being imported with it.

Each is optional for those who import it: jsonschema's checker of IRIs builds a parser for 2 s at
import, papermill's remote file systems load pyarrow and boto3. Without, a runner is up in 0.8 s.
"""

import sys

UNUSED = ("rfc3987_syntax", "pyarrow", "boto3")

for _name in UNUSED:
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]  # None: "there is no such module"
