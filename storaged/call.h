/* SPDX-License-Identifier: PostgreSQL */
/*
 * The calls of doc/contracts.md section 4, as statement text with bound parameters, and their replies. No connection
 * here: control.c sends them.
 */
#ifndef GS_CALL_H
#define GS_CALL_H

#include "storaged/receipt.h"
#include "storaged/store.h"

#define GS_CALL_PARAMS_MAX 7
#define GS_CALL_INVENTORY_ARRAYS 6
#define GS_CALL_TEXT_MAX 32768
#define GS_FETCH_ORDERS_MAX 4
#define GS_FETCH_URL_MAX (GS_URL_MAX + 64) /* a device's address and an object */
#define GS_WORK_MAX 1000                   /* a page of work; of a longer one the first */
#define GS_RECEIPT_BATCH_MAX 64            /* receipts in one call */

typedef struct GsCall {
	const char *sql; /* constant */
	int count;
	const char *values[GS_CALL_PARAMS_MAX]; /* into text */
	char text[GS_CALL_TEXT_MAX];
	size_t used;
} GsCall;

typedef enum GsWorkKind { GS_WORK_DELETE, GS_WORK_REVOKE, GS_WORK_INVENTORY } GsWorkKind;

typedef struct GsWorkItem {
	int64_t id;
	GsWorkKind kind;
	bool has_object, has_terminal;
	GsUuid object, terminal;
	int64_t before_s, until_s; /* REVOKE */
} GsWorkItem;

typedef struct GsFetchOrder {
	GsUuid object;
	char url[GS_FETCH_URL_MAX + 1], ticket[GS_TICKET_MAX_BYTES + 1];
	uint64_t size_bytes;
	uint8_t sha256[GS_SHA256_BYTES];
	GsOrigin origin;
} GsFetchOrder;

typedef struct GsReply {
	GsUuid server, device; /* announce only */
	char server_name[GS_CONTROL_NAME_MAX + 1];
	int64_t now_us; /* there, since 1970 */
	bool has_keys;
	size_t key_count;
	struct {
		char kid[GS_TICKET_KID_MAX + 1];
		uint8_t key[GS_TICKET_KEY_BYTES];
	} keys[GS_TICKET_KEYS_MAX];
	bool more_revoked; /* the page ends amid revocations, which come first */
	size_t work_count; /* items of a kind that we don't know are left out, and so stay open */
	GsWorkItem work[GS_WORK_MAX];
	size_t fetch_count; /* all that are wanted; in a report's answer only */
	GsFetchOrder fetches[GS_FETCH_ORDERS_MAX];
} GsReply;

/* How long the calls of this connection may take over there. */
void gs_call_limit(GsCall *call, const GsStore *store);
/* Wake-ups from here on. */
void gs_call_listen(GsCall *call);
void gs_call_announce(GsCall *call, const GsStore *store, const GsSpace *space, uint64_t staged_bytes);
void gs_call_report(GsCall *call, const GsStore *store, const GsSpace *space, uint64_t staged_bytes);
/* The first `count` of its queue, 1 .. GS_RECEIPT_BATCH_MAX. */
void gs_call_receipts(GsCall *call, const GsStore *store, const GsServer *server, size_t count);
/* digest NULL: gone or unreadable */
void gs_call_damaged(GsCall *call, const GsStore *store, const GsUuid *object, const uint8_t *digest);
void gs_call_fetch_failed(GsCall *call, const GsStore *store, const GsUuid *object, const char *reason);
/* device_inventory_begin, else device_inventory_end. */
void gs_call_inventory(GsCall *call, const GsStore *store, bool begin);
/* Array literals: objects, sizes, sha256, states, terminals, names. */
void gs_call_inventory_add(GsCall *call, const GsStore *store, const char *const arrays[GS_CALL_INVENTORY_ARRAYS]);
/* count <= GS_WORK_MAX */
void gs_call_work_done(GsCall *call, const GsStore *store, const int64_t *ids, size_t count);

/* False when the text is not what the contract says. */
__attribute__((warn_unused_result)) bool gs_reply_parse_announce(const char *text, GsReply *reply);
__attribute__((warn_unused_result)) bool gs_reply_parse_report(const char *text, GsReply *reply);
/* One outcome a receipt. */
__attribute__((warn_unused_result)) bool gs_reply_parse_receipts(const char *text, GsReceiptOutcome *outcomes,
																 size_t count);

#endif
