"""One run of a notebook: in a sandbox, against a deadline, scored by a judge that it never sees."""
