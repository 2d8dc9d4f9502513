/* SPDX-License-Identifier: PostgreSQL */
/*
 * Location paths such as cn/east/shanghai/z1: the root is the empty text; a segment is [a-z0-9_-]+. Pure C.
 */
#ifndef GS_LOCATION_H
#define GS_LOCATION_H

#include <stdbool.h>
#include <stddef.h>

#define GS_LOCATION_MAX_BYTES 255
#define GS_LOCATION_MAX_DEPTH 16

bool gs_location_valid(const char *path, size_t size);

/* Number of segments of a valid path: 0 for the root. */
int gs_location_depth(const char *path, size_t size);

/* Size of the parent's path, which is a prefix of `path`: walk up with size = gs_location_parent(path, size) until 0.
 */
size_t gs_location_parent(const char *path, size_t size);

/* Hops between two valid paths through their lowest common ancestor. */
int gs_location_hops(const char *a, size_t a_size, const char *b, size_t b_size);

#endif
