/* SPDX-License-Identifier: PostgreSQL */
/* Checks identifiers; see uuid.h. */
#include "storaged/uuid.h"

#include <stdlib.h>

bool gs_uuid_parse(const char *text, GsUuid *uuid)
{
	if (text == NULL || strnlen(text, GS_UUID_TEXT + 1) != GS_UUID_TEXT)
		return false;
	for (int i = 0; i < GS_UUID_TEXT; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		bool hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');

		if (dash ? text[i] != '-' : !hex)
			return false;
	}
	memcpy(uuid->text, text, GS_UUID_TEXT + 1);
	return true;
}

unsigned gs_uuid_place(const GsUuid *uuid)
{
	return (unsigned)strtoul(uuid->text + GS_UUID_TEXT - 3, NULL, 16);
}
