"""`confirm`: find out which of a campaign's keeps are real, what each is worth, and prune the rest.

`plan` makes the variants, `judging` chooses and judges the runs, `confirming` carries them out,
`results` sums them up.
"""
