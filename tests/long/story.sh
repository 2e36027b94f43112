#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1200
#
# tests/e2e/story.sh with ten runs of each fault, and ten without.
set -u
export STORY_RUNS=10 STORY_JOBS=${STORY_JOBS:-2}
exec "$(dirname "$0")/../e2e/story.sh"
