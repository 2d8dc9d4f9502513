/* SPDX-License-Identifier: PostgreSQL */
/*
 * What whole objects' bytes are checked by on their way out. The first time by their SHA-256; what came out right then
 * gets a tag, its GMAC under a key that this process made and tells nobody, and the next time the tag is looked at,
 * which costs a quarter. A tag that does not fit proves nothing yet: the caller then looks at the SHA-256 again.
 * The table has a fixed size; a newer tag takes the place of an older one. Loop thread, except where said.
 */
#ifndef GS_PROOF_H
#define GS_PROOF_H

#include <openssl/evp.h>
#include <stdbool.h>

#include "storaged/sidecar.h"

#define GS_PROOF_TAG_BYTES 16

typedef struct GsProofs GsProofs;

/* NULL when out of memory, or when OpenSSL has no GMAC. */
GsProofs *gs_proof_start(void);
void gs_proof_stop(GsProofs *proofs);

/* The check of one object's bytes from the first to the last. */
typedef struct GsCheck {
	EVP_MD_CTX *digest; /* NULL: it is checked by its tag */
	EVP_MAC_CTX *mac;   /* NULL: by its digest, and no tag is made */
	uint8_t expected[GS_PROOF_TAG_BYTES], tag[GS_PROOF_TAG_BYTES];
	uint8_t found[GS_SHA256_BYTES]; /* set when the digest is wrong */
} GsCheck;

/* By the digest, or, when `tagged`, by tag or for one. `check` is zeroed or cleared. Any thread when not `tagged`. */
__attribute__((warn_unused_result)) bool gs_check_begin(GsCheck *check, const GsProofs *proofs,
														const GsSidecar *sidecar, bool tagged);
static inline bool gs_check_began(const GsCheck *check)
{
	return check->digest != NULL || check->mac != NULL;
}
/*
 * The next bytes; `sidecar` with the last of them, for the verdict. 0 or an errno: EBADMSG, they are not the right
 * ones. Does nothing when not begun. Any thread.
 */
__attribute__((warn_unused_result)) int gs_check_bytes(GsCheck *check, const uint8_t *bytes, size_t size,
													   const GsSidecar *sidecar);
void gs_check_clear(GsCheck *check);

/* It came out right: its tag is good for the next time. Does nothing without one. */
void gs_proof_keep(GsProofs *proofs, const GsCheck *check, const GsSidecar *sidecar);
void gs_proof_forget(GsProofs *proofs, const GsSidecar *sidecar);

#endif
