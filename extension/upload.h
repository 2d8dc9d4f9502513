/* SPDX-License-Identifier: PostgreSQL */
/*
 * The upload notice (spec rows U1, U3, U6). SPI must be open.
 */
#ifndef GS_UPLOAD_H
#define GS_UPLOAD_H

#include "request.h"
#include "ticketing.h"
#include "utils/array.h"

#define GS_UPLOAD_MAX_GROUPS 100
#define GS_UPLOAD_MAX_AVOID 32
#define GS_SHARE_MAX_BYTES INT64CONST(9007199254740991) /* 2^53-1: JSON numbers stay exact */

typedef struct GsNotice {
	char *name;
	int64 size;
	bytea *sha256;     /* NULL: not said */
	pg_uuid_t *groups; /* NULL: not said, which is all of the terminal's groups for a new share */
	int group_count;
	ArrayType *avoid; /* text[] of device names */
} GsNotice;

typedef struct GsUpload {
	pg_uuid_t share;
	bool stored; /* nothing to send: only share and device are set */
	char *device_name;
	pg_uuid_t object;
	GsDesignation designation;
	TimestampTz reservation_expires_at;
} GsUpload;

/*
 * Answers a notice of the request's terminal. The same notice again (name and size equal, digest equal or not said on
 * either side) finds the same share: with the same device and object, unless the device is avoided or out of reach,
 * when the upload moves to another one; with nothing to send, when it is stored. GS012, GS016, GS019-GS023, GS025.
 */
GsUpload gs_upload_notice(const GsRequest *request, const GsNotice *notice);

#endif
