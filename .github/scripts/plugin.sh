#!/usr/bin/env bash
# Check a plugin package that is installed: its contract, a short run of a method on real digits, and the records of that run.
#   plugin.sh PLUGIN METHOD OUT ["FURTHER WORDS OF bench run"]
set -euo pipefail
plugin=$1 method=$2 out=$3
read -ra more <<< "${4:-}"
bench check "$plugin"
bench run --method "$method" "${more[@]}" --seeds 0 --epochs 2 --finetune-epochs 1 --device cpu --store "$out/store" --leaderboard "$out/leaderboard"
bench leaderboard build "$out/leaderboard"
bench leaderboard verify "$out/leaderboard" --recount
