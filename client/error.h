/* SPDX-License-Identifier: PostgreSQL */
/*
 * The failure of a call, kept in the handle without allocation so that it can also say "no memory". Writing one
 * returns its status, so that a callee ends with `return gs_error_set(...)`.
 */
#ifndef GS_CLIENT_ERROR_H
#define GS_CLIENT_ERROR_H

#include "client/groupshare.h"

typedef struct GsErrorBox {
	GsClientError error; /* its texts point into the arrays below: a copy is used through
						  * gs_error_restore only */
	char code[64];
	char message[1024];
	char hint[512];
	char request_id[80];
} GsErrorBox;

void gs_error_clear(GsErrorBox *box);

/* hint may be NULL. Texts are cut to size at a character's boundary. Returns `status`. */
int gs_error_set(GsErrorBox *box, GsClientStatus status, const char *hint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* As gs_error_set, with ": " and the text of errno. */
int gs_error_errno(GsErrorBox *box, const char *hint, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Another advice for the failure that is there. */
void gs_error_hint(GsErrorBox *box, const char *hint);

/* Makes `box` say what `saved` (a struct copy of a box) said. */
void gs_error_restore(GsErrorBox *box, const GsErrorBox *saved);

int gs_error_memory(GsErrorBox *box);

/* Puts "where: " before the message and gives it another hint. Returns its status. */
int gs_error_at(GsErrorBox *box, const char *where, const char *hint);

/*
 * From an answer that is not a success: `body` is problem+json of `size` bytes, or anything else (then the status
 * speaks). `where` names who answered, for the message ("the gateway", "device tokyo-1").
 */
int gs_error_problem(GsErrorBox *box, int http_status, const char *body, size_t size, const char *request_id,
					 const char *where);

/* HTTP status -> GsClientStatus; only this function says which. */
GsClientStatus gs_error_of_http(int http_status);

#endif
