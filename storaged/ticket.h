/* SPDX-License-Identifier: PostgreSQL */
/*
 * Tickets: JWS compact, HS256 (doc/contracts.md section 2). A ticket is believed only when a key that the issuing
 * control server announced for this device signed it, and by that server's clock. Pure: no I/O, no global state; loop
 * thread only.
 */
#ifndef GS_STORAGED_TICKET_H
#define GS_STORAGED_TICKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storaged/clock.h"
#include "storaged/codec.h"
#include "storaged/uuid.h"

#define GS_TICKET_MAX_BYTES 4096
#define GS_TICKET_KEY_BYTES 32
#define GS_TICKET_KID_MAX 64
#define GS_TICKET_NAME_MAX 255
#define GS_TICKET_KEYS_MAX 64
#define GS_TICKET_LEEWAY_S 5

typedef enum GsTicketError {
	GS_TICKET_OK = 0,
	GS_TICKET_MALFORMED = -1,     /* not a ticket: form, algorithm, typ, a claim missing or of the wrong kind */
	GS_TICKET_UNKNOWN_KEY = -2,   /* its control server announced no such kid */
	GS_TICKET_BAD_SIGNATURE = -3, /* or signed for another issuer than it names */
	GS_TICKET_EXPIRED = -4,
	GS_TICKET_EARLY = -5,         /* issued in the future: the clocks disagree */
	GS_TICKET_OTHER_DEVICE = -6,  /* genuine, but for another device */
	GS_TICKET_NO_MEMORY = -7,     /* nothing can be said of it */
	GS_TICKET_UNKNOWN_ISSUER = -8 /* there are no keys of the control server that it names */
} GsTicketError;

/* Methods of the `met` claim, as bits. */
enum { GS_METHOD_GET = 1, GS_METHOD_HEAD = 2, GS_METHOD_PUT = 4, GS_METHOD_PATCH = 8, GS_METHOD_DELETE = 16 };

typedef struct GsTicketKey {
	GsUuid server;        /* the issuer that it is good for */
	GsUuid device;        /* what that issuer calls this device: the audience */
	const GsClock *clock; /* the issuer's; known */
	char kid[GS_TICKET_KID_MAX + 1];
	uint8_t key[GS_TICKET_KEY_BYTES];
} GsTicketKey;

typedef struct GsTicketKeys {
	GsTicketKey keys[GS_TICKET_KEYS_MAX];
	size_t count;
	uint64_t generation; /* another one after each change */
} GsTicketKeys;

typedef struct GsTicket {
	GsUuid server, object, terminal;
	unsigned methods; /* GS_METHOD_* */
	int64_t size_bytes;
	bool has_sha256;
	uint8_t sha256[GS_SHA256_BYTES];
	char name[GS_TICKET_NAME_MAX + 1]; /* "" when absent */
	int64_t issued_s, expires_s;
	int64_t rate_bytes; /* a second, over all transfers of the terminal; 0: no limit */
	int64_t until_s;    /* unfinished bytes are kept until then; at least expires_s */
} GsTicket;

/* Replaces all keys of `server`. False when the table is full; the keys that fitted are in. */
__attribute__((warn_unused_result)) bool gs_ticket_keys_replace(GsTicketKeys *keys, const GsUuid *server,
																const GsTicketKey *fresh, size_t count);

/* `ticket` is filled on GS_TICKET_OK only. boot_us: now (clock.h). */
__attribute__((warn_unused_result)) GsTicketError gs_ticket_verify(const GsTicketKeys *keys, const char *token,
																   int64_t boot_us, GsTicket *ticket);

/* Whether a genuine ticket's time is now, by its issuer's clock: OK, EXPIRED or EARLY; UNKNOWN_ISSUER: nobody's
 * clock. */
__attribute__((warn_unused_result)) GsTicketError gs_ticket_judge(const GsTicketKeys *keys, const GsTicket *ticket,
																  int64_t boot_us);

/* The bit of an HTTP method, 0 when none. */
unsigned gs_ticket_method(const char *method);

#endif
