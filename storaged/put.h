/* SPDX-License-Identifier: PostgreSQL */
/* PUT /v1/objects/{object}: a whole object, from the network to the disk and to its receipt. */
#ifndef GS_PUT_H
#define GS_PUT_H

#include "daemon/stream.h"
#include "storaged/active.h"

extern const GsHandler gs_put_handler;

/*
 * Ends an upload that is still receiving, for DELETE: its sender is told 410, its staged bytes go. `entry` is its
 * claim, of kind GS_ACTIVE_UPLOAD. False when it is past that point, or another control server's.
 */
__attribute__((warn_unused_result)) bool gs_put_cancel(GsActive *entry, const GsUuid *server);

#endif
