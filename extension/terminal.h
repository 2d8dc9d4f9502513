/* SPDX-License-Identifier: PostgreSQL */
/*
 * Terminals as a DBA keeps them. SPI must be open.
 */
#ifndef GS_TERMINAL_H
#define GS_TERMINAL_H

#include "request.h"

#define GS_CODE_SHA256_BYTES 32

/* SHA-256 of a code as a person typed it: case, spaces and hyphens don't count. */
void gs_terminal_hash_code(const char *code, uint8 digest[GS_CODE_SHA256_BYTES]);

/* Removes at most `limit` enrolment codes and answered challenges that have expired; returns how many. */
uint64 gs_terminal_sweep(int64 limit);

#endif
