/* SPDX-License-Identifier: PostgreSQL */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "catalog.h"

static uint64 state = 0;

static void relation_changed(Datum unused, Oid relation)
{
	state++;
}

static void row_changed(Datum unused, int cache, uint32 hash)
{
	state++;
}

uint64 gs_catalog_state(void)
{
	if (state == 0) {
		CacheRegisterRelcacheCallback(relation_changed, (Datum)0);
		CacheRegisterSyscacheCallback(PROCOID, row_changed, (Datum)0);
		CacheRegisterSyscacheCallback(TYPEOID, row_changed, (Datum)0);
		CacheRegisterSyscacheCallback(CONSTROID, row_changed, (Datum)0);
		CacheRegisterSyscacheCallback(AUTHOID, row_changed, (Datum)0);
		CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, row_changed, (Datum)0);
		state = 1;
	}
	return state;
}

Oid gs_catalog_relation(const char *name)
{
	Oid oid = get_relname_relid(name, get_namespace_oid("groupshare", false));

	if (!OidIsValid(oid))
		elog(ERROR, "groupshare.%s is missing", name);
	return oid;
}

Oid gs_catalog_type(const char *name)
{
	Oid oid = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name),
							  ObjectIdGetDatum(get_namespace_oid("groupshare", false)));

	if (!OidIsValid(oid))
		elog(ERROR, "type groupshare.%s is missing", name);
	return oid;
}

AttrNumber gs_catalog_column(Oid relation, const char *table, const char *column)
{
	AttrNumber number = get_attnum(relation, column);

	if (number == InvalidAttrNumber)
		elog(ERROR, "groupshare.%s has no column %s", table, column);
	return number;
}

void gs_catalog_require(GsRight *right, Oid table, const char *name, AclMode mode)
{
	const uint64 known = gs_catalog_state();
	const Oid user = GetUserId();
	AclResult result;

	if (right->known == known && right->user == user && right->table == table && right->mode == mode)
		return;
	result = pg_class_aclcheck(table, user, mode);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLE, name);
	if (check_enable_rls(table, user, false) == RLS_ENABLED)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("row level security of groupshare.%s would hold for groupshare itself", name),
						errhint("The owner of the extension's functions must be a superuser or have BYPASSRLS.")));
	*right = (GsRight){known, user, table, mode};
}

TupleDesc gs_catalog_answer(FunctionCallInfo call, GsAnswer *answer)
{
	const uint64 known = gs_catalog_state();
	MemoryContext caller;
	TupleDesc descriptor;

	if (answer->known == known)
		return answer->descriptor;
	if (get_call_result_type(call, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "function %u must return a row", call->flinfo->fn_oid);
	answer->known = 0;
	if (answer->descriptor != NULL)
		FreeTupleDesc(answer->descriptor);
	answer->descriptor = NULL;
	caller = MemoryContextSwitchTo(CacheMemoryContext);
	answer->descriptor = BlessTupleDesc(CreateTupleDescCopy(descriptor));
	MemoryContextSwitchTo(caller);
	answer->known = known;
	return answer->descriptor;
}
