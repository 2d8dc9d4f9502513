/* SPDX-License-Identifier: PostgreSQL */
/* Web pages of other origins; see cors.h. Pure. */
#include "daemon/cors.h"

#include <string.h>

/* One origin as browsers write it: scheme://host, :port unless it is the scheme's own, lower case. */
static bool is_origin(const char *text, size_t size)
{
	static const char scheme[] = "abcdefghijklmnopqrstuvwxyz0123456789+-.",
					  host[] = "abcdefghijklmnopqrstuvwxyz0123456789-._:[]";
	size_t scheme_size = strspn(text, scheme), host_size;

	if (scheme_size == 0 || size < scheme_size + 4 || strncmp(text + scheme_size, "://", 3) != 0)
		return false;
	host_size = strspn(text + scheme_size + 3, host);
	return host_size > 0 && scheme_size + 3 + host_size == size;
}

const char *gs_cors_check(const char *origins)
{
	if (origins == NULL || strcmp(origins, "*") == 0)
		return NULL;
	for (const char *at = origins + strspn(origins, " "); *at != '\0'; at += strspn(at, " ")) {
		size_t size = strcspn(at, " ");

		if (!is_origin(at, size))
			return "cors.origins has something else than origins (https://host or https://host:port, lower case, "
				   "no slash at the end) or one *";
		at += size;
	}
	return NULL;
}

static bool is_listed(const char *origins, const char *origin)
{
	size_t origin_size = strlen(origin);

	for (const char *at = origins + strspn(origins, " "); *at != '\0'; at += strspn(at, " ")) {
		size_t size = strcspn(at, " ");

		if (size == origin_size && memcmp(at, origin, size) == 0)
			return true;
		at += size;
	}
	return false;
}

GsCors gs_cors_judge(const char *origins, const char *method, const char *origin, const char *wants)
{
	bool any = origins != NULL && strcmp(origins, "*") == 0;
	GsCors cors = {.kind = GS_CORS_OFF};

	if (origins == NULL)
		return cors;
	cors.kind = GS_CORS_OTHER;
	if (origin == NULL || (!any && !is_listed(origins, origin)))
		return cors;
	cors.origin = any ? "*" : origin;
	cors.kind = wants != NULL && strcmp(method, "OPTIONS") == 0 ? GS_CORS_PREFLIGHT : GS_CORS_ALLOWED;
	return cors;
}

size_t gs_cors_fields(const GsCors *cors, const GsCorsNames *names, const char *allow,
					  GsHeader fields[GS_CORS_MAX_FIELDS])
{
	size_t count = 0;

	if (cors->kind == GS_CORS_OFF)
		return 0;
	/* Also to whom no origin was said: a cache must not give this answer to a page. */
	fields[count++] = (GsHeader){"vary", "origin"};
	if (cors->kind == GS_CORS_OTHER)
		return count;
	fields[count++] = (GsHeader){"access-control-allow-origin", cors->origin};
	if (cors->kind == GS_CORS_ALLOWED) {
		fields[count++] = (GsHeader){"access-control-expose-headers", names->answer};
		return count;
	}
	fields[count++] = (GsHeader){"access-control-allow-methods", allow};
	fields[count++] = (GsHeader){"access-control-allow-headers", names->request};
	fields[count++] = (GsHeader){"access-control-max-age", GS_CORS_MAX_AGE};
	return count;
}
