#!/usr/bin/env bash
# Install benchbase from a folder, and what its leaderboard needs: no torch, so in seconds.
#   install.sh FOLDER
set -euo pipefail
python -m pip install --quiet --no-deps "$1"
python -m pip install --quiet click filelock jinja2 numpy platformdirs pluggy pydantic pyyaml rich safetensors scipy
bench --version
