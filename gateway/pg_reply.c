/* SPDX-License-Identifier: PostgreSQL */
/* PGresult -> GsPgReply, and the check of a greeting. No state. */
#include "gateway/pg_reply.h"

#include <stdio.h>
#include <string.h>

#include "daemon/json_text.h"

static void reply_from_result(GsPgReply *reply, PGresult *result)
{
	const char *sqlstate = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	switch (result ? PQresultStatus(result) : PGRES_FATAL_ERROR) {
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
		reply->outcome = GS_PG_ROW;
		for (int i = 0; i < PQnfields(result) && i < GS_PG_MAX_COLUMNS && PQntuples(result) > 0; i++) {
			reply->value[i] = PQgetisnull(result, 0, i) ? NULL : PQgetvalue(result, 0, i);
			reply->size[i] = (size_t)PQgetlength(result, 0, i);
		}
		break;
	default:
		/* Without an SQLSTATE it is libpq's own word that the connection broke. */
		reply->outcome = sqlstate ? GS_PG_ERROR : GS_PG_LOST;
		if (sqlstate)
			snprintf(reply->sqlstate, sizeof reply->sqlstate, "%s", sqlstate);
		reply->message = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
		reply->detail = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
		reply->hint = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_HINT) : NULL;
	}
}

void gs_pg_reply_deliver(GsPgRequest *request, PGresult *result)
{
	GsPgReply reply = {.outcome = GS_PG_LOST};

	reply_from_result(&reply, result);
	if (request->done)
		request->done(request->owner, &reply);
	gs_pg_request_free(request);
	PQclear(result);
}

int gs_pg_hello_check(const GsPgReply *reply, const char *server, char *why, size_t why_size)
{
	json_t *hello = reply->value[0] ? gs_json_text_read(reply->value[0], strlen(reply->value[0]), NULL) : NULL;
	const char *name = json_string_value(json_object_get(hello, "server"));
	const char *version = json_string_value(json_object_get(hello, "version"));
	size_t major = strcspn(GS_VERSION, ".");
	int result = -1;

	if (!name || !version)
		snprintf(why, why_size, "api_hello gave no server name and version");
	else if (strcmp(name, server) != 0)
		snprintf(why, why_size, "this is control server \"%s\", the settings say \"%s\"", name, server);
	else if (strcspn(version, ".") != major || strncmp(version, GS_VERSION, major) != 0)
		snprintf(why, why_size, "extension version %s does not go with gateway version %s", version, GS_VERSION);
	else
		result = 0;
	json_decref(hello);
	return result;
}
