/* SPDX-License-Identifier: PostgreSQL */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "device_named.h"
#include "errcodes.h"
#include "plan.h"

static GsPlan find_plan = {
	.sql = "SELECT d.id FROM groupshare.device d WHERE d.name = $1",
	.types = {TEXTOID},
};

pg_uuid_t *gs_device_named(const char *name)
{
	if (gs_plan_run(&find_plan, (Datum[]){CStringGetTextDatum(name)}, NULL, 1) == 0)
		gs_device_missing(name);
	return gs_result_uuid(0, 1);
}

void gs_device_missing(const char *name)
{
	ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("there is no storage device \"%s\"", name),
					errhint("SELECT name FROM groupshare.devices lists them.")));
}
