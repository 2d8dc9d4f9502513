/* SPDX-License-Identifier: PostgreSQL */
/*
 * Sessions that a control server has accepted not long ago, by their digests, in a table of fixed size; the one that
 * was used least lately makes room. Only what has been accepted is ever put in, so no flood of others pushes it out.
 * Being in it proves nothing: the control server verifies each request.
 */
#ifndef GS_GATEWAY_KNOWN_H
#define GS_GATEWAY_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GS_KNOWN_DIGEST_SIZE 16

typedef struct GsKnown GsKnown;

/* Room for at least `entries`. NULL: out of memory. */
GsKnown *gs_known_new(size_t entries);
void gs_known_free(GsKnown *known);

void gs_known_add(GsKnown *known, const uint8_t digest[GS_KNOWN_DIGEST_SIZE], uint64_t now_ms);
/* Counts as a use. */
bool gs_known_has(GsKnown *known, const uint8_t digest[GS_KNOWN_DIGEST_SIZE], uint64_t now_ms);
void gs_known_remove(GsKnown *known, const uint8_t digest[GS_KNOWN_DIGEST_SIZE]);

#endif
