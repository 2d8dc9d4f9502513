/* SPDX-License-Identifier: PostgreSQL */
/*
 * Where a terminal is. An address has at most 129 prefixes, so they are all made and looked up at once by the primary
 * key: a few pages of a B-tree whatever the table's size, where a GiST index on inet looks at many and takes minutes to
 * load half a million prefixes. What a DBA has said of a terminal (move_terminal) counts more.
 */
#include "postgres.h"

#include <math.h>
#include <sys/socket.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inet.h"

#include "errcodes.h"
#include "location.h"
#include "names.h"
#include "origin.h"
#include "plan.h"
#include "request.h"

#define PREFIXES_MOST 129

static GsPlan network_plan = {
	.sql = "SELECT n.location, n.latitude IS NOT NULL, coalesce(n.latitude, 0), coalesce(n.longitude, 0)"
		   " FROM groupshare.network n WHERE n.prefix = ANY ($1) ORDER BY masklen(n.prefix) DESC LIMIT 1",
	.types = {CIDRARRAYOID},
	.by_key = true,
};

static GsPlan move_plan = {
	.sql = "WITH old AS (SELECT t.id, t.location, t.latitude, t.longitude FROM groupshare.terminal t"
		   "   WHERE t.identifier = $1 FOR NO KEY UPDATE),"
		   " moved AS (UPDATE groupshare.terminal t SET location = $2, latitude = $3, longitude = $4 FROM old"
		   "   WHERE t.id = old.id)"
		   " SELECT jsonb_build_object('from', jsonb_strip_nulls(jsonb_build_object("
		   "     'location', location, 'latitude', latitude, 'longitude', longitude)),"
		   "   'to', jsonb_strip_nulls(jsonb_build_object('location', $2, 'latitude', $3, 'longitude', $4))) FROM old",
	.types = {TEXTOID, TEXTOID, FLOAT8OID, FLOAT8OID},
};

static ArrayType *prefixes_of(const inet *peer)
{
	Datum prefixes[PREFIXES_MOST];
	int count = 0;

	for (int bits = ip_maxbits(peer); bits >= 0; bits--)
		prefixes[count++] = DirectFunctionCall2(cidr_set_masklen, InetPGetDatum(peer), Int32GetDatum(bits));
	return construct_array(prefixes, count, CIDROID, -1, false, TYPALIGN_INT);
}

GsOrigin gs_origin_find(const GsTerminal *terminal, const inet *peer)
{
	GsOrigin origin = {.location = ""};

	if (terminal->location != NULL)
		return (GsOrigin){.location = terminal->location,
						  .has_point = terminal->has_point,
						  .latitude = terminal->latitude,
						  .longitude = terminal->longitude};
	if (peer == NULL || gs_plan_run(&network_plan, (Datum[]){PointerGetDatum(prefixes_of(peer))}, NULL, 1) == 0)
		return origin;
	origin.location = gs_result_text(0, 1);
	origin.has_point = gs_result_bool(0, 2);
	origin.latitude = gs_result_float8(0, 3);
	origin.longitude = gs_result_float8(0, 4);
	return origin;
}

void gs_origin_check_location(const char *location)
{
	if (!gs_location_valid(location, strlen(location)))
		ereport(ERROR,
				(errcode(GS_ERR_INVALID_PARAMETER), errmsg("\"%s\" is no valid location", location),
				 errhint("A location is a path such as cn/east/shanghai, of at most %d parts of a-z, 0-9, _ and -,"
						 " or the empty text.",
						 GS_LOCATION_MAX_DEPTH)));
}

void gs_origin_check_point(FunctionCallInfo fcinfo, int at)
{
	double latitude, longitude;

	if (PG_ARGISNULL(at) != PG_ARGISNULL(at + 1))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("latitude and longitude belong together")));
	if (PG_ARGISNULL(at))
		return;
	latitude = PG_GETARG_FLOAT8(at);
	longitude = PG_GETARG_FLOAT8(at + 1);
	if (!(fabs(latitude) <= 90 && fabs(longitude) <= 180)) /* nor NaN */
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER),
						errmsg("latitude must be between -90 and 90, longitude between -180 and 180")));
}

enum { MOVE_ID, MOVE_LOCATION, MOVE_LATITUDE, MOVE_LONGITUDE, MOVE_ARGUMENTS };

static void check_place(FunctionCallInfo fcinfo)
{
	char *location;

	if (PG_ARGISNULL(MOVE_ID))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("id must not be null")));
	if (PG_ARGISNULL(MOVE_LOCATION)) {
		if (!PG_ARGISNULL(MOVE_LATITUDE) || !PG_ARGISNULL(MOVE_LONGITUDE))
			ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("coordinates must have a location")));
		return;
	}
	location = text_to_cstring(PG_GETARG_TEXT_PP(MOVE_LOCATION));
	gs_origin_check_location(location);
	gs_origin_check_point(fcinfo, MOVE_LATITUDE);
}

PG_FUNCTION_INFO_V1(gs_move_terminal);
/* move_terminal(id, location, latitude, longitude) */
Datum gs_move_terminal(PG_FUNCTION_ARGS)
{
	Datum values[MOVE_ARGUMENTS] = {0};
	char nulls[MOVE_ARGUMENTS];
	char *id, *kept;

	check_place(fcinfo);
	id = text_to_cstring(PG_GETARG_TEXT_PP(MOVE_ID));
	kept = gs_name_identifier(id, strlen(id));
	nulls[MOVE_ID] = ' ';
	values[MOVE_ID] = kept == NULL ? (Datum)0 : CStringGetTextDatum(kept);
	for (int i = MOVE_LOCATION; i < MOVE_ARGUMENTS; i++) {
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
		values[i] = PG_ARGISNULL(i) ? (Datum)0 : PG_GETARG_DATUM(i);
	}
	gs_plan_open();
	if (kept == NULL || gs_plan_run(&move_plan, values, nulls, 1) == 0)
		ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("there is no terminal \"%s\"", id),
						errhint("SELECT terminal FROM groupshare.terminals lists them.")));
	gs_audit(NULL, "move_terminal", kept, gs_result_jsonb(0, 1));
	gs_plan_close();
	PG_RETURN_VOID();
}
