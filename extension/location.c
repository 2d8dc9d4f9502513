/* SPDX-License-Identifier: PostgreSQL */
/*
 * The pure core of placement's geography: syntax of location paths, their ancestors and the distance between two.
 */
#include "location.h"

static bool segment_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool gs_location_valid(const char *path, size_t size)
{
	int depth = 1;
	size_t segment = 0;

	if (size == 0)
		return true;
	if (size > GS_LOCATION_MAX_BYTES)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (segment_char(path[i])) {
			segment++;
		} else if (path[i] == '/' && segment > 0) {
			segment = 0;
			depth++;
		} else {
			return false;
		}
	}
	return segment > 0 && depth <= GS_LOCATION_MAX_DEPTH;
}

int gs_location_depth(const char *path, size_t size)
{
	int depth = size > 0 ? 1 : 0;

	for (size_t i = 0; i < size; i++)
		depth += path[i] == '/';
	return depth;
}

size_t gs_location_parent(const char *path, size_t size)
{
	while (size > 0 && path[size - 1] != '/')
		size--;
	return size > 0 ? size - 1 : 0;
}

int gs_location_hops(const char *a, size_t a_size, const char *b, size_t b_size)
{
	int common = 0;
	size_t i = 0;

	/* A segment is shared when both paths agree up to its end, which is a slash or the end of the path. */
	for (;; i++) {
		bool a_ends = i >= a_size || a[i] == '/';
		bool b_ends = i >= b_size || b[i] == '/';

		if (a_ends && b_ends && i > 0)
			common++;
		if (i >= a_size || i >= b_size || a[i] != b[i])
			break;
	}
	return gs_location_depth(a, a_size) + gs_location_depth(b, b_size) - 2 * common;
}
