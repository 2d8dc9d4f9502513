/* SPDX-License-Identifier: PostgreSQL */
/*
 * libgroupshare: be a terminal of groupshare (doc/contracts.md sections 1, 3, 5).
 *
 * A GsClient is one terminal talking to one gateway; it is not locked: one thread at a time uses it. Strings are UTF-8
 * and end with NUL. A call that can fail returns GS_CLIENT_OK (0) or a negative GsClientStatus; gs_client_error() tells
 * more. Calls block; each wait is bounded (connecting 10 s, an API request 30 s, a transfer 120 s without a byte), and
 * what can be repeated without harm is repeated a few times with growing pauses. Answers are jansson objects with the
 * members of the HTTP API: *reply is a new reference, released by json_decref(), or NULL after a failure; `reply`
 * itself may be NULL when the caller does not care.
 */
#ifndef GROUPSHARE_H
#define GROUPSHARE_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define GS_CLIENT_API __attribute__((visibility("default")))
#define GS_CALL GS_CLIENT_API __attribute__((warn_unused_result))
typedef struct GsClient GsClient;

typedef enum GsClientStatus {
	GS_CLIENT_OK = 0,
	GS_CLIENT_NO_MEMORY = -1,
	GS_CLIENT_INVALID = -2,   /* an argument or setting is wrong; HTTP 400 */
	GS_CLIENT_LOCAL = -3,     /* a file on this machine: missing, unreadable, changed, no space */
	GS_CLIENT_NETWORK = -4,   /* not reached, broken off, or "not now" (HTTP 429, 502..504) */
	GS_CLIENT_DENIED = -5,    /* HTTP 401, 403; also: not enrolled */
	GS_CLIENT_NOT_FOUND = -6, /* HTTP 404, 410 */
	GS_CLIENT_CONFLICT = -7,  /* HTTP 409, 412; also: the output file exists and differs */
	GS_CLIENT_NO_ROOM = -8,   /* HTTP 413, 507: quota, size limit, no device with room */
	GS_CLIENT_DIGEST = -9,    /* the bytes are not those that were announced; HTTP 422 */
	GS_CLIENT_PROTOCOL = -10, /* the answer is not one of the API, or the server failed (other 5xx) */
	GS_CLIENT_CANCELLED = -11 /* the progress function asked for it */
} GsClientStatus;

/* The latest failure of a handle. No member is ever NULL; texts are empty when unknown. */
typedef struct GsClientError {
	int status;             /* GsClientStatus */
	int http_status;        /* 0 when it did not come from an HTTP answer */
	const char *code;       /* the problem's stable code: "not_found", "share_exists", ... */
	const char *message;    /* one sentence */
	const char *hint;       /* what to do next */
	const char *request_id; /* to find it in the operator's log */
} GsClientError;

/* Called about once a second while something keeps a call waiting, first after about three: `whom` as in "the control
 * server", `waited_s` since its last answer. It is only told: the call's own bounds end it. */
typedef void (*GsClientWaiting)(void *arg, const char *whom, unsigned waited_s);

/* A zeroed struct takes every default. Strings are copied. */
typedef struct GsClientOptions {
	/* One directory for all. NULL: $GROUPSHARE_HOME, else groupshare/ in $XDG_CONFIG_HOME and $XDG_STATE_HOME. */
	const char *home;
	/* "https://host[:port]"; http:// only to this same machine. NULL: $GROUPSHARE_URL, else as saved by enrolling. */
	const char *url;
	/* PEM file of authorities to trust. NULL: $GROUPSHARE_CA, else as saved, else the system's authorities. */
	const char *ca;
	GsClientWaiting waiting; /* may be NULL */
	void *waiting_arg;
} GsClientOptions;

/* Reads the settings; contacts nobody. *client is set also on failure (gs_client_error() works on it), except for
 * GS_CLIENT_NO_MEMORY. `options` may be NULL. Errors: INVALID (URL, directory), LOCAL (unreadable settings). */
GS_CALL int gs_client_open(const GsClientOptions *options, GsClient **client);

/* Frees the handle and its connections; NULL is allowed. The session stays cached for the next handle. */
GS_CLIENT_API void gs_client_close(GsClient *client);

/* Never NULL, also for a NULL client (then: no memory). Valid until the next call on the handle. */
GS_CLIENT_API const GsClientError *gs_client_error(const GsClient *client);

/* "x.y.z" of the library that is loaded. */
GS_CLIENT_API const char *gs_client_version(void);

/* ---- identity and connection (spec C1-C5) ---------------------------------------------------------------------- */
/* Enrols this terminal: makes an Ed25519 key (PKCS#8 PEM, mode 0600) unless there is one, gives the public half and
 * the operator's one-time `code` to the control server, then saves identifier, URL and CA. Calling it again after a
 * lost answer succeeds. identifier: phone number "+4915112345678" or e-mail address. Reply: {terminal, server}.
 * Errors: DENIED (code wrong, used or expired), CONFLICT (this home belongs to another terminal). Spec C3. */
GS_CALL int gs_client_enroll(GsClient *client, const char *identifier, const char *code, json_t **reply);

/* Proves the key and begins a new session (challenge, signature). Optional: every other call does it when needed and
 * again once when the session has ended. Reply: {session, expires_at, server, terminal, groups, next, in_group}.
 * Errors: DENIED (unknown terminal, wrong key, no permission: not told apart). Spec C1-C5. */
GS_CALL int gs_client_connect(GsClient *client, json_t **reply);

/* Who this handle is, from local files alone: {terminal, url, ca, config_directory, state_directory, key_file,
 * public_key, session: {server, expires_at} or null}. Errors: DENIED (not enrolled), LOCAL (key unreadable). */
GS_CALL int gs_client_whoami(GsClient *client, json_t **reply);
/* ---- groups (spec G1-G5) --------------------------------------------------------------------------------------- */
/* All groups of the terminal, every page: {server, terminal, groups: [GROUP...]}. Each GROUP carries the first page
 * of its members; `members_next` non-null means that there are more (gs_client_group() has them all). Spec C4. */
GS_CALL int gs_client_groups(GsClient *client, json_t **reply);

/* All members of a group and all that each shares in it: {group, members: [{terminal, role, shares: [...]}...]}. */
GS_CALL int gs_client_group(GsClient *client, const char *group, json_t **reply);

/* Groups by name; match is "exact", "prefix" or "part": {groups: [{id, name, join}...]}. most 0: all there are. Else
 * pages are fetched until there are so many, and `more`, a boolean, says whether others follow. Spec G1. */
GS_CALL int gs_client_search(GsClient *client, const char *name, const char *match, size_t most, json_t **reply);

/* The id of the group that `reference` means: an id, or the exact name of one of the terminal's groups or of one
 * that a search finds. id: 37 bytes. Errors: NOT_FOUND, CONFLICT (several have the name; the message lists their
 * ids). */
GS_CALL int gs_client_find_group(GsClient *client, const char *reference, char id[37]);

/* NULL: leave as it is (or the server's default); a non-NULL list of count 0 empties it. */
typedef struct GsClientSettings {
	const char *join;          /* "anyone", "listed", "confirm" */
	const char *listing;       /* "listed", "exact", "hidden" */
	const char *const *listed; /* identifiers that may join by the rule "listed" */
	size_t listed_count;
	const char *const *administrators; /* identifiers; the caller is one of them only if named */
	size_t administrators_count;
	const char *name;              /* not with gs_client_create_group() */
	const char *description;       /* "" takes it away */
	const char *const *listed_add; /* change the list instead of replacing it */
	size_t listed_add_count;
	const char *const *listed_remove;
	size_t listed_remove_count;
	int max_members; /* 0: leave as it is */
} GsClientSettings;

/* Creates a group. With settings it is established at once; with NULL the answer is the setting notice and
 * gs_client_set_group() establishes it. Reply: {group, state: "new"|"live", settings}. Spec G4. */
GS_CALL int gs_client_create_group(GsClient *client, const char *name, const GsClientSettings *set, json_t **reply);

/* Establishes a new group or changes its settings; for administrators. Reply: GROUP. Spec G4. */
GS_CALL int gs_client_set_group(GsClient *client, const char *group, const GsClientSettings *set, json_t **reply);

/* Asks to join. Reply: {state: "member", role, group} or {state: "pending", inquiry}: an administrator will decide.
 * Errors: DENIED with code "join_refused". Spec G2, G3. */
GS_CALL int gs_client_join(GsClient *client, const char *group, json_t **reply);

/* Leaves (terminal NULL) or removes another member. Reply: {state: "left"|"removed", group_state}. Spec G5. */
GS_CALL int gs_client_remove_member(GsClient *client, const char *group, const char *terminal, json_t **reply);

/* Changes a member: role "administrator", "member" or NULL (as it is); banned 1, 0 or -1 (as it is). Reply:
 * {terminal, role, state}. Spec G5. */
GS_CALL int gs_client_set_member(GsClient *client, const char *group, const char *terminal, const char *role,
								 int banned, json_t **reply);

/* Invites an outsider as "member" (role NULL) or "administrator": it accepts by joining, declines by leaving. Reply:
 * {terminal, role, state}. Spec G5. */
GS_CALL int gs_client_invite(GsClient *client, const char *group, const char *terminal, const char *role,
							 json_t **reply);

/* Ends a group; for administrators. Errors: DENIED, NOT_FOUND. Spec G5. */
GS_CALL int gs_client_dissolve(GsClient *client, const char *group);

/* Inquiries that this terminal may decide and those that it made itself, every page, and its invitations: {inquiries:
 * [...], invitations: [{group, group_name, role, since}...]}. Spec G3. */
GS_CALL int gs_client_inquiries(GsClient *client, json_t **reply);

/* decision: "allow", "refuse", or "cancel" for one's own. Reply: {id, state}. Errors: CONFLICT "inquiry_decided". */
GS_CALL int gs_client_decide(GsClient *client, const char *inquiry, const char *decision, json_t **reply);
#ifdef __cplusplus
}
#endif

#include "groupshare_shares.h"
#endif
