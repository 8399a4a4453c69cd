"""What a leaderboard's README says of checking, repeating, adding to and citing it."""
from __future__ import annotations

TEXT = """\
**Check.** `bench leaderboard verify` reads every record, without a network and without running anything of it: fields and ranges, keys computed
anew, accuracies against the stored bits (one a test image), ledgers against recipes, records against each other; and holds tables and page
against a rebuild. `--against main` also holds the board against a commit: nothing may be gone or changed unless a new record of the same cell
names the old one in `supersedes`. `--recount` rebuilds every network and counts its parameters and multiply-adds.

**Tiers.** *self-reported*: the stored bits do not say the accuracy. *re-scored*: they do, for every record of the row. *reproduced*: beside
that, some seed of every protocol was run again within tolerance, and none drifted; in brackets, how many records were. On the same device,
threads and versions every bit must be the same; elsewhere top-1 may differ by what two draws of the test images do, 1.96 √(2 p (1 − p) / N), or
by what two seeds do, t s √2 with the standard deviation s over three seeds or more, whichever is larger. A reproduction is `<key>.<n>.json`
beside its record. Records name no person: whether a reproduction is a third party's, the history of the repository tells.

**Repeat.** `bench reproduce RECORD.json` runs a record's cell again, from nothing, and says PASS or DRIFT, by how much, and what differs in the
environment. Add `--keep` to put the run beside the record.

**Add.** `bench run --leaderboard results ...`, then `bench submit results` in a clone of this repository: it checks the records, commits them on
a branch and prints the table for the pull request. Records of failed cells belong to them. Methods must be published as a package; tables are
rebuilt after the merge.

**Cite.** Cite the benchmark as CITATION.cff says, the papers of the methods, and the commit of this board: rows are added, never removed."""
