/* SPDX-License-Identifier: PostgreSQL */
/*
 * This database's place in the service list. SPI must be open.
 */
#ifndef GS_SERVER_H
#define GS_SERVER_H

#include "request.h"

/* Makes the self row, the server row and the plan `standard` where they are missing; `name` NULL = the database's name.
 * GS015 when the database is already set up under another name. */
GsSelf *gs_server_setup(const char *name);

#endif
