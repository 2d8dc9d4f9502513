/* SPDX-License-Identifier: PostgreSQL */
/*
 * The handle, and calls of the gateway's API through it: with a session that is made when needed and renewed once when
 * the gateway says that it has ended, and repeated where repeating does no harm.
 */
#ifndef GS_CLIENT_SESSION_H
#define GS_CLIENT_SESSION_H

#include "client/config.h"
#include "client/error.h"
#include "client/http.h"
#include "client/keys.h"

/* A listing that goes on for longer is an error, never silently cut. */
#define GS_PAGES_MAX 10000

struct GsClient {
	GsErrorBox box;
	GsConfig config;
	GsSession session; /* token NULL: none yet */
	GsKey *key;        /* NULL until needed */
	GsHttp *http;
	int64_t date_s;          /* Date of the latest answer to a call; -1: not said */
	GsClientWaiting waiting; /* may be NULL */
	void *waiting_arg;
};

/* Something that a call waits for, and since when; zeroed: nothing yet. */
typedef struct GsWait {
	char whom[300];
	double since_s; /* monotonic clock; 0: nothing is awaited */
	double told_s;  /* when the caller was told last */
} GsWait;

typedef struct GsCall {
	const char *method;
	const char *path; /* after the base URL, encoded */
	json_t *body;     /* borrowed; NULL: none */
	bool idempotent;  /* repeating it after a lost answer does no harm */
	int wait_s;       /* see GsHttpRequest */
} GsCall;

/* With a session. *reply: new reference, NULL for an empty answer; http_status may be NULL. */
__attribute__((warn_unused_result)) int gs_session_call(GsClient *client, const GsCall *call, json_t **reply,
														int *http_status);

/* POST without a session; `body` is stolen, NULL = no memory. */
__attribute__((warn_unused_result)) int gs_session_post(GsClient *client, const char *path, json_t *body,
														bool idempotent, json_t **reply);

/* client->key is there afterwards; DENIED when it has no file. */
__attribute__((warn_unused_result)) int gs_session_key(GsClient *client);

/*
 * Repeats GET `path` with `after` until `next` is null, and appends each page's array `list` to that of the first,
 * which becomes *reply, without `next`. `path` has a query already ("?limit=100"). Stops after `most` elements, at the
 * end of a page, unless 0; then the reply says by `more` whether it did.
 */
__attribute__((warn_unused_result)) int gs_session_pages(GsClient *client, const char *path, const char *list,
														 size_t most, json_t **reply);

/* The monotonic clock. */
double gs_session_now_s(void);

/* From now on `whom` is waited for, unless it has been before. */
void gs_session_await(GsWait *wait, const char *whom);

/* Waits before attempt number `attempt` (1 = first repetition): grows, jittered, or what the server asked for. Tells
 * the caller of `wait`. */
void gs_session_pause(GsClient *client, GsWait *wait, int attempt, int retry_after_s);

/* The terminal's identifier, or DENIED with advice when this home is not enrolled. */
__attribute__((warn_unused_result)) int gs_session_terminal(GsClient *client, const char **terminal);

/* printf to a malloc'd path; NULL = no memory, which the box then says. */
char *gs_session_path(GsClient *client, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Hands `value` (stolen) to the caller's *reply, or releases it. NULL value: no memory. */
__attribute__((warn_unused_result)) int gs_session_answer(GsClient *client, json_t *value, json_t **reply);

#endif
