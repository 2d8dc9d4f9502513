/* SPDX-License-Identifier: PostgreSQL */
/* Connection strings in settings; see conninfo.h. */
#include "daemon/conninfo.h"

#include <libpq-fe.h>
#include <string.h>

/* Never libpq's own text: it may quote the password. */
const char *gs_conninfo_check(const char *conninfo)
{
	char *error = NULL;
	PQconninfoOption *options = PQconninfoParse(conninfo, &error);
	const char *wrong = options ? NULL : "a control server's conninfo is not a libpq connection string";

	PQconninfoFree(options);
	PQfreemem(error);
	return wrong;
}

/* A value in single quotes, as libpq reads it. */
static void dump_quoted(const char *value, FILE *out)
{
	fputc('\'', out);
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			fputc('\\', out);
		fputc(*value, out);
	}
	fputc('\'', out);
}

/* "D" and "*" are what libpq itself calls the options that are not to be shown. */
void gs_conninfo_dump(const char *conninfo, FILE *out)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);

	for (const PQconninfoOption *option = options; option && option->keyword; option++) {
		if (!option->val)
			continue;
		fprintf(out, " %s=", option->keyword);
		if (strchr(option->dispchar, '*'))
			fputs("***", out);
		else
			dump_quoted(option->val, out);
	}
	PQconninfoFree(options);
}
