/* SPDX-License-Identifier: PostgreSQL */
/* The sidecar's text; see sidecar.h. */
#include "storaged/sidecar.h"

#include <errno.h>

#include "daemon/json_text.h"

bool gs_sidecar_unreadable(int error)
{
	return error == -EBADMSG || error == -EFBIG || error == -EIO || error == -EISDIR || error == -ELOOP;
}

/* What is not known is left out. By "s*" in json_pack what there is no memory for would be left out, too. */
static bool say(json_t *value, const char *name, const char *text)
{
	return text[0] == '\0' || json_object_set_new(value, name, json_string(text)) == 0;
}

size_t gs_sidecar_encode(const GsSidecar *sidecar, const GsOrigin *origin, char text[GS_SIDECAR_MAX_BYTES])
{
	char sha256[GS_SHA256_HEX + 1];
	size_t size = 0;
	json_t *value;

	gs_hex_encode(sidecar->sha256, GS_SHA256_BYTES, sha256);
	value = json_pack("{s:s, s:s, s:I, s:s, s:s}", "object", sidecar->object.text, "server", sidecar->server.text,
					  "size", (json_int_t)sidecar->size_bytes, "sha256", sha256, "stored_at", sidecar->stored_at);
	if (value != NULL && say(value, "terminal", origin->terminal.text) && say(value, "name", origin->name))
		size = json_dumpb(value, text, GS_SIDECAR_MAX_BYTES - 1, 0);
	json_decref(value);
	if (size > GS_SIDECAR_MAX_BYTES - 1)
		return 0;
	text[size] = '\0';
	return size;
}

static void read_origin(const json_t *value, GsOrigin *origin)
{
	const char *terminal = json_string_value(json_object_get(value, "terminal"));
	const char *name = json_string_value(json_object_get(value, "name"));

	*origin = (GsOrigin){0};
	if (terminal == NULL || !gs_uuid_parse(terminal, &origin->terminal))
		origin->terminal.text[0] = '\0';
	if (name != NULL && strlen(name) <= GS_ORIGIN_NAME_MAX)
		strcpy(origin->name, name);
}

int gs_sidecar_decode_origin(const char *text, size_t size, GsSidecar *sidecar, GsOrigin *origin)
{
	int error;
	json_t *value = gs_json_text_read(text, size, &error);
	const json_t *bytes = json_object_get(value, "size");
	const char *stored_at = json_string_value(json_object_get(value, "stored_at"));
	bool good = gs_uuid_parse(json_string_value(json_object_get(value, "object")), &sidecar->object) &&
				gs_uuid_parse(json_string_value(json_object_get(value, "server")), &sidecar->server) &&
				gs_hex_decode(json_string_value(json_object_get(value, "sha256")), sidecar->sha256, GS_SHA256_BYTES) &&
				json_is_integer(bytes) && json_integer_value(bytes) >= 0 && json_integer_value(bytes) <= GS_SIZE_MAX &&
				stored_at != NULL && strlen(stored_at) < GS_TIME_TEXT;

	if (good) {
		sidecar->size_bytes = (uint64_t)json_integer_value(bytes);
		strcpy(sidecar->stored_at, stored_at);
		read_origin(value, origin);
	}
	json_decref(value);
	return good || error != 0 ? error : -EBADMSG;
}

int gs_sidecar_decode(const char *text, size_t size, GsSidecar *sidecar)
{
	GsOrigin ignored;

	return gs_sidecar_decode_origin(text, size, sidecar, &ignored);
}
