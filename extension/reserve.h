/* SPDX-License-Identifier: PostgreSQL */
/*
 * Promising bytes on a device that was found. SPI must be open. True: they are reserved, and the device's ledger row is
 * locked until the transaction ends.
 */
#ifndef GS_RESERVE_H
#define GS_RESERVE_H

#include "candidates.h"

/* Only if no other transaction holds the device or waits for it, and it still fits. */
bool gs_reserve_free(const GsQuestion *question, const pg_uuid_t *device);

/* Behind those who hold it or wait for it, for at most `wait_ms` > 0 in the queue and as long again for its row; false
 * when the time is over or the device fits no more. The transaction must hold no ledger row. */
bool gs_reserve_queue(const GsQuestion *question, const pg_uuid_t *device, int wait_ms);

#endif
