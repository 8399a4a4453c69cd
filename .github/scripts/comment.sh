#!/usr/bin/env bash
# Post a report as the one comment of the pull request that has HEAD_OWNER:HEAD_BRANCH at HEAD_SHA, or edit the one that is there.
# Needs GH_TOKEN and REPOSITORY. Which pull request it is comes from the event, never from the report.
#   comment.sh REPORT.md
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export HEAD_SHA
number=$(gh api --method GET "repos/$REPOSITORY/pulls" -f state=open -f "head=$HEAD_OWNER:$HEAD_BRANCH" \
  --jq 'map(select(.head.sha == env.HEAD_SHA))[0].number // empty')
if ! [[ $number =~ ^[0-9]+$ ]]; then
  echo "no open pull request has this commit"
  exit 0
fi
body=$(mktemp)
python3 "$here/comment.py" "$1" >"$body"
old=$(gh api --paginate "repos/$REPOSITORY/issues/$number/comments" \
  --jq '.[] | select(.user.type == "Bot" and (.body | startswith("<!-- records -->"))) | .id' | head -n 1)
if [[ $old =~ ^[0-9]+$ ]]; then
  gh api --method PATCH "repos/$REPOSITORY/issues/comments/$old" -F "body=@$body" >/dev/null
else
  gh api --method POST "repos/$REPOSITORY/issues/$number/comments" -F "body=@$body" >/dev/null
fi
