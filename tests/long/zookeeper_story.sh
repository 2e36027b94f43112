#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
#
# tests/e2e/story.sh with three nodes of ZooKeeper: three runs of each fault, and three without.
set -u
export STORY_DEMO=demo/zookeeper.sh STORY_FAULTS="pause kill partition oom none" STORY_RUNS=3 STORY_JOBS=${STORY_JOBS:-2}
exec "$(dirname "$0")/../e2e/story.sh"
