/* SPDX-License-Identifier: PostgreSQL */
/*
 * One download, as get.c (designation, names, the end), fetch.c (one request for what comes next, in order) and
 * ranges.c (several requests at a time) see it.
 */
#ifndef GS_CLIENT_GET_H
#define GS_CLIENT_GET_H

#include "client/digest.h"
#include "client/map.h"
#include "client/session.h"

typedef struct GsGet {
	GsClient *client;
	const GsClientGet *want;
	json_t *designation;
	size_t source; /* 0: the device of the designation; then its alternates */
	int64_t size;
	uint8_t sha256[GS_SHA256_BYTES];
	char *output;
	char *part;
	bool part_is_ours; /* locked, and what is found by its name */
	int fd;
	GsDigest *digest; /* of bytes 0 .. at */
	int64_t at;
	int64_t skip;  /* bytes of the current answer that are here already */
	bool answered; /* the first bytes of the current answer have come */
	bool by_map;   /* the part file carries a map; `at` is only how far the digest is */
	GsMap map;
	unsigned lanes;
	GsWait wait; /* for devices that fail */
} GsGet;

typedef enum GsGetNext {
	GS_GET_DONE,
	GS_GET_AGAIN, /* may pass: a new designation, then the rest */
	GS_GET_OTHER, /* only another device may help */
	GS_GET_FAIL   /* the box says why */
} GsGetNext;

/* A member of the current source; NULL: it has none by that name. */
const char *gs_get_source(const GsGet *get, const char *member);

/* What a device's answer, or the lack of one (`status` of gs_http_send), calls for; the box says why. */
GsGetNext gs_get_after(const GsGet *get, const GsHttpReply *reply, int status, GsErrorBox *box);

/* Appends the rest to the part file or want->fd. */
__attribute__((warn_unused_result)) GsGetNext gs_get_fetch(GsGet *get);

/* Fetches what the map does not have, in `lanes` requests at a time, and keeps the map on disk. */
__attribute__((warn_unused_result)) GsGetNext gs_get_ranges(GsGet *get);

/* Writes the map behind the content, when what it claims is on disk. */
__attribute__((warn_unused_result)) int gs_get_save_map(GsGet *get, uint8_t *bytes);

#endif
