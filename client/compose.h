/* SPDX-License-Identifier: PostgreSQL */
/* The one form in which the control server takes names. */
#ifndef GS_CLIENT_COMPOSE_H
#define GS_CLIENT_COMPOSE_H

/*
 * `text` in Unicode's form NFC, in which an accent is part of its letter; macOS hands out names of files in another.
 * Text that is no UTF-8 stays as it is: it has no form. malloc'd; NULL: no memory.
 */
char *gs_compose(const char *text);

#endif
