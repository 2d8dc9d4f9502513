/* SPDX-License-Identifier: PostgreSQL */
/* Ready-made answers: JSON and application/problem+json (RFC 9457). */
#ifndef GS_RESPONSE_H
#define GS_RESPONSE_H

#include <jansson.h>

#include "stream.h"

/* `json` is text of `size` bytes; cache-control: no-store is added when `secret`. etag may be NULL. */
void gs_json_send(GsStream *stream, int status, const char *json, size_t size, const char *etag, bool secret);
/* Dumps and releases (decref) `value`. */
void gs_json_send_value(GsStream *stream, int status, json_t *value, bool secret);

/*
 * {type:"urn:groupshare:problem:CODE", title, status, detail, code, request_id[, hint]}. title is derived from the
 * status; detail and hint may be NULL; retry_after_s > 0 adds Retry-After; 401 adds WWW-Authenticate: Bearer.
 */
void gs_problem_send(GsStream *stream, int status, const char *code, const char *detail, const char *hint,
					 int retry_after_s);

/* The same with more headers, e.g. Allow. */
void gs_problem_send_with(GsStream *stream, int status, const char *code, const char *detail, const char *hint,
						  int retry_after_s, const GsHeader *headers, size_t header_count);

#endif
