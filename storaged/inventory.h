/* SPDX-License-Identifier: PostgreSQL */
/*
 * An inventory: what this device has of one control server's objects, told in batches (doc/contracts.md section 4).
 * Read in the order in which objects move: uploads under way, journal, objects, quarantine. One a server at a time;
 * given up when the connection breaks or the server says so, and begun anew when it is next ordered. Loop thread only.
 */
#ifndef GS_INVENTORY_H
#define GS_INVENTORY_H

#include "storaged/call.h"

typedef struct GsInventory GsInventory;

/* Ordered; nothing happens when one runs. */
void gs_inventory_order(GsStore *store, GsServer *server);
/* Builds the next call. False: there is none yet; gs_control_kick follows when there is. */
__attribute__((warn_unused_result)) bool gs_inventory_call(GsInventory *inventory, GsCall *call);
/* The answer of that call; not `good`: given up. The inventory may be gone afterwards. */
void gs_inventory_answered(GsServer *server, bool good);

#endif
