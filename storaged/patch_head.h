/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the header fields of a resumable upload say: tus 1.0.0 and the IETF draft, interop versions 8 and 9, as one
 * request (doc/contracts.md section 5). Pure.
 */
#ifndef GS_PATCH_HEAD_H
#define GS_PATCH_HEAD_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

/* As they came; NULL when absent. */
typedef struct GsPatchFields {
	const char *tus_resumable, *interop, *content_type, *offset, *complete, *checksum, *length, *content_digest;
} GsPatchFields;

typedef enum GsPatchComplete {
	GS_COMPLETE_UNSAID, /* the part that reaches the length is the last */
	GS_COMPLETE_NO,
	GS_COMPLETE_YES
} GsPatchComplete;

typedef struct GsPatchHead {
	bool tus;
	int interop; /* 8, 9; 0: not said, or another one */
	uint64_t offset;
	GsPatchComplete complete;
	bool has_length; /* Upload-Length */
	uint64_t length;
	const EVP_MD *checksum; /* of the body; NULL: none */
	bool is_content_digest; /* the sum came as Content-Digest, not as tus has it */
	uint8_t sum[EVP_MAX_MD_SIZE];
} GsPatchHead;

typedef enum GsPatchError {
	GS_PATCH_OK = 0,
	GS_PATCH_TUS_VERSION,
	GS_PATCH_CONTENT_TYPE,
	GS_PATCH_OFFSET,
	GS_PATCH_CHECKSUM,
	GS_PATCH_CONTENT_DIGEST
} GsPatchError;

/* Of any request: which protocol. `head` is filled as far as it goes. */
__attribute__((warn_unused_result)) GsPatchError gs_patch_read_protocol(const GsPatchFields *fields, GsPatchHead *head);
/* Of a PATCH, after the protocol. */
__attribute__((warn_unused_result)) GsPatchError gs_patch_read_head(const GsPatchFields *fields, GsPatchHead *head);

#endif
