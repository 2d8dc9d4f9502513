/* SPDX-License-Identifier: PostgreSQL */
/* Content-Disposition (RFC 6266) for a share's name. Pure. */
#ifndef GS_DISPOSITION_H
#define GS_DISPOSITION_H

/* Enough for a name of 255 bytes: itself, and each byte as %XX. */
#define GS_DISPOSITION_MAX 1152

/* `name` is UTF-8, "" for none. */
void gs_disposition_format(const char *name, char out[GS_DISPOSITION_MAX]);

#endif
