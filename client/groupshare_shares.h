/* SPDX-License-Identifier: PostgreSQL */
/* The part of groupshare.h that is about shares and what happens: spec U1-U4, D1-D4. Included by it, never alone. */
#ifndef GROUPSHARE_SHARES_H
#define GROUPSHARE_SHARES_H
#include "groupshare.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef enum GsClientPhase {
	GS_CLIENT_HASHING,  /* reading the file to know its digest */
	GS_CLIENT_SENDING,  /* to the storage device */
	GS_CLIENT_CHECKING, /* reading what an earlier get has already fetched, or a file that is in the way */
	GS_CLIENT_RECEIVING /* from the storage device */
} GsClientPhase;

/* Called often while a transfer runs, done <= total in bytes. A non-zero result cancels. */
typedef int (*GsClientProgress)(void *arg, GsClientPhase phase, uint64_t done, uint64_t total);

typedef struct GsClientPut {
	const char *path;          /* a regular file; with from_fd only what messages call it */
	const char *name;          /* the share's name, composed to NFC; NULL: the last part of path */
	const char *const *groups; /* ids of the groups it is for; NULL: all of the terminal's groups */
	size_t groups_count;
	bool from_fd;    /* the content is what `fd`, perhaps a pipe, gives until its end; needs a name */
	int fd;          /* stays open */
	bool size_known; /* then `size` bytes are sent as they come, else kept in a nameless file in $TMPDIR first */
	uint64_t size;
	GsClientProgress progress; /* may be NULL */
	void *progress_arg;
} GsClientPut;

/* Shares a file: digest, upload notice, bytes straight to the device that the control server chose. After a break it
 * goes on from where the device stands, also when put again later; a device that is full or away is avoided and
 * another asked for, a few times. A stream of known size that fails for good is forgotten. Reply: {share, name, size,
 * sha256, device, state: "stored" | "receipt_pending", already: bool, changed: bool}; "receipt_pending": durable on the
 * device, others see it once the control server is back; changed: what is shared is what the file was when put began,
 * no longer what it is. Errors: LOCAL (unreadable, or changed meanwhile), CONFLICT "share_exists" (another content by
 * this name), NO_ROOM, NETWORK, DIGEST. Spec U1-U4. */
GS_CALL int gs_client_put(GsClient *client, const GsClientPut *put, json_t **reply);

#define GS_CLIENT_PARALLEL 4
#define GS_CLIENT_PARALLEL_MAX 16

typedef struct GsClientGet {
	const char *share; /* its id; NULL: by owner and name */
	const char *owner;
	const char *name;
	const char *output; /* file, or an existing directory; NULL: the share's name made safe, in the current directory */
	unsigned mode;      /* of the finished file, e.g. 0644; 0 = 0600 */
	bool force;         /* replace an existing file with another content */
	unsigned parallel;  /* connections, at most 16; 0: GS_CLIENT_PARALLEL for a large file, else 1 */
	bool to_fd;         /* write to `fd` (a pipe will do), in order, instead; after DIGEST what was written is wrong */
	int fd;
	GsClientProgress progress; /* may be NULL */
	void *progress_arg;
} GsClientGet;

/* Fetches a share from its device into a part file (mode 0600) beside the output, continues there after a
 * break, also of an earlier process, and gives it its final name only when the SHA-256 of the whole is right and it
 * is on disk. An existing file with the same content is success. Reply: {share, name, owner, size, sha256, device,
 * path, already: bool}. Errors: NOT_FOUND (absent or not visible: not told apart), CONFLICT (output exists and
 * differs, or another get writes it), DIGEST (nothing is left under the final name), LOCAL, NETWORK. Spec D1-D3. */
GS_CALL int gs_client_get(GsClient *client, const GsClientGet *get, json_t **reply);

/* What `owner` shares with this terminal, each share once: {shares: [{id, name, size, ...}...]}. group: the id of the
 * only group to look at; NULL: all. Errors: NOT_FOUND (the owner is in none of them). */
GS_CALL int gs_client_shares_of(GsClient *client, const char *owner, const char *group, json_t **reply);

/* The terminal's own share list, every page: {shares: [{id, name, size, sha256, state, devices, groups, ...}...]}. */
GS_CALL int gs_client_shares(GsClient *client, json_t **reply);

/* Changes who sees an own share: these groups (ids), or with NULL all, later ones too. Reply: {share, groups}. */
GS_CALL int gs_client_set_share(GsClient *client, const char *share, const char *const *groups, size_t count,
								json_t **reply);

/* Deletes an own share: others stop seeing it at once. Errors: NOT_FOUND. Spec D4. */
GS_CALL int gs_client_delete_share(GsClient *client, const char *share);

/* Events after the one with the id `after` (NULL: all that are kept), waiting up to wait_s (0..60) seconds for one.
 * Reply: {events: [{id, kind, at, data}...], next}; the last id is the next call's `after`; next: more are there. */
GS_CALL int gs_client_events(GsClient *client, const char *after, int wait_s, json_t **reply);

#ifdef __cplusplus
}
#endif
#endif
