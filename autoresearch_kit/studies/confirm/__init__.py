"""`confirm`: which of a campaign's keeps are real, what each is worth, and a best without the rest.

`plan` says what is left out, `judging` what the runs say and which come next, `confirming` runs.
"""
