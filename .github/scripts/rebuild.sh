#!/usr/bin/env bash
# Rebuild the tables and the page of the leaderboard on a branch of origin and push them, once, whoever else is pushing. Run in a clone whose
# working tree nobody else uses.
#   rebuild.sh BRANCH
set -euo pipefail
branch=$1
for _ in 1 2 3 4 5 6; do
  git fetch --quiet origin "$branch"
  git checkout --quiet --force --detach FETCH_HEAD
  git clean --quiet --force -d -- leaderboard
  bench leaderboard verify leaderboard --against HEAD
  bench leaderboard build leaderboard
  git add -- leaderboard
  if git diff --cached --quiet; then
    echo "tables and page are what the records give"
    exit 0
  fi
  git commit --quiet -m "Tables and page, rebuilt from the records"
  if git push --quiet origin "HEAD:refs/heads/$branch"; then
    exit 0
  fi
  echo "$branch has moved on: once more"
done
echo "$branch keeps moving: the next push to it starts this again" >&2
exit 1
