#!/usr/bin/env bash
# Verify the records that a pull request proposes, against the commit that it starts from. Nothing of the pull request is run: `bench` is
# the base branch's, and records are data. Writes OUT/report.md; the exit code is the check's.
#   check_records.sh CHECKOUT BASE OUT
set -euo pipefail
checkout=$1 base=$2 out=$3
mkdir -p "$out"
code=0
bench leaderboard verify "$checkout/leaderboard" --against "$base" >"$out/verify.txt" 2>&1 || code=$?
others=$(git -C "$checkout" diff --name-only "$base" HEAD -- . ':(exclude,glob)leaderboard/v*/records/**' | wc -l)
{
  if [ "$code" -eq 0 ]; then
    echo "### Records: nothing is wrong"
    echo
    bench leaderboard changes "$checkout/leaderboard" --against "$base"
  else
    echo "### Records: refused"
  fi
  echo
  head -c 20000 "$out/verify.txt" | sed 's/^/    /'
  if [ "$others" -gt 0 ]; then
    echo
    echo "$others files that are no records change as well: they are for people to read."
  fi
} >"$out/report.md"
cat "$out/report.md"
exit "$code"
