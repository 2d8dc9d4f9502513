/* SPDX-License-Identifier: PostgreSQL */
/*
 * What happens to a share after its notice: receipt and deletion. SPI must be open.
 */
#ifndef GS_SHARE_H
#define GS_SHARE_H

#include "request.h"

typedef enum GsReceiptOutcome {
	GS_RECEIPT_UNWANTED, /* nobody wants the object any more */
	GS_RECEIPT_STORED,   /* the share is stored, now or by an earlier receipt */
	GS_RECEIPT_MISMATCH  /* size or digest are not what the notice said */
} GsReceiptOutcome;

typedef struct GsReceipt {
	pg_uuid_t object;
	int64 size;
	bytea *sha256; /* 32 bytes */
	/* Filled in: */
	GsReceiptOutcome outcome;
	int64 noticed_size; /* unless unwanted */
} GsReceipt;

/* A device has the bytes of these objects of its own, each named once, durably. GS031 when another epoch has announced
 * meanwhile. */
void gs_share_receipts(const pg_uuid_t *device, int64 epoch, GsReceipt *receipts, int count);

/*
 * One of them: a device has the bytes of an object of its own, durably. True: the share is stored, now or by an earlier
 * receipt. False: nobody wants the object any more. GS032 when size or digest are not what the notice said, GS031 when
 * another epoch has announced meanwhile.
 */
bool gs_share_receipt(const pg_uuid_t *device, int64 epoch, const pg_uuid_t *object, int64 size, bytea *sha256);

/* The live groups in which a stored share is shown, uuid[]; none of one that is not stored. */
ArrayType *gs_share_shown_groups(const pg_uuid_t *share);

/* The owner's deletion: name and visibility end now, the bytes after groupshare.delete_hold. GS012 for any other. */
void gs_share_delete(const GsRequest *request, const pg_uuid_t *share);

#endif
