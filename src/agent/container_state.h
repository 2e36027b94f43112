/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_CONTAINER_STATE_H
#define SAKER_AGENT_CONTAINER_STATE_H
/*
 * container_state - what container runtimes wrote down about a container: its name, its control group.
 *
 * The texts come from files and processes of others: what does not have the expected form tells nothing.
 * Threads: any.  Memory: that of the parsed text, freed before return.
 */
#include <stdbool.h>
#include <stddef.h>

#include "explain/cgroup.h"

/* docker's /var/lib/docker/containers/ID/config.v2.json: `"Name": "/web"` */
bool container_docker_name(const char *json, size_t len, char ret[CGROUP_TEXT]);

/* The OCI config.json of a containerd task: the annotations of nerdctl and of Kubernetes (CRI). */
bool container_oci_name(const char *json, size_t len, char ret[CGROUP_TEXT]);

/* containers/storage's containers.json (podman, CRI-O): of the one with that id. */
bool container_storage_name(const char *json, size_t len, const char *id, char ret[CGROUP_TEXT]);

/* Arguments of conmon, the monitor of podman and CRI-O, each with its NUL: `-c ID ... -n NAME`. */
bool container_monitor_name(const char *args, size_t len, const char *id, char ret[CGROUP_TEXT]);

/* crun's status and runc's state.json: does this container live in that control group? */
bool container_lives_in(const char *json, size_t len, const char *cgroup_path);

#endif
