/* SPDX-License-Identifier: PostgreSQL */
/* systemd's readiness protocol (sd_notify(3)): datagrams to $NOTIFY_SOCKET; nothing happens without it. */
#ifndef GS_NOTIFY_H
#define GS_NOTIFY_H

#include <stdint.h>

void gs_notify_send(const char *state); /* "READY=1" */
void gs_notify_reloading(void);
/* How often WATCHDOG=1 is due, 0 = never: half of $WATCHDOG_USEC when it is meant for this process. */
uint64_t gs_notify_watchdog_ms(void);

#endif
