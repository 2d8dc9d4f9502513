/* SPDX-License-Identifier: PostgreSQL */
/*
 * Background workers: one a database named in groupshare.databases, each running maintenance at its interval. A worker
 * holds no state between rounds: after an error it ends, and the postmaster starts it again. It runs on a primary only.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"
#include "utils/wait_event.h"

#include "maintenance.h"
#include "settings.h"
#include "worker.h"

#define RESTART_AFTER_S 5
#define DATABASES_MOST 32

PGDLLEXPORT void gs_worker_main(Datum unused);

static void register_one(const char *database)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = RESTART_AFTER_S,
		.bgw_library_name = "groupshare",
		.bgw_function_name = "gs_worker_main",
		.bgw_type = "groupshare maintenance",
	};

	if (strlen(database) >= sizeof(worker.bgw_extra))
		ereport(ERROR, (errcode(ERRCODE_NAME_TOO_LONG),
						errmsg("database name \"%s\" in groupshare.databases is too long", database)));
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "groupshare maintenance of %s", database);
	strlcpy(worker.bgw_extra, database, sizeof(worker.bgw_extra));
	RegisterBackgroundWorker(&worker);
}

void gs_worker_register(void)
{
	char *names = pstrdup(gs_databases);
	List *databases;
	ListCell *cell;

	if (!SplitIdentifierString(names, ',', &databases))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("groupshare.databases is no list of database names: \"%s\"", gs_databases)));
	if (list_length(databases) > DATABASES_MOST)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("groupshare.databases names more than %d databases", DATABASES_MOST)));
	foreach (cell, databases)
		register_one(lfirst(cell));
}

/* True while the transaction keeps the extension from being dropped; false where there is none. */
static bool hold_extension(void)
{
	Oid extension = get_extension_oid("groupshare", true);

	if (!OidIsValid(extension))
		return false;
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	return get_extension_oid("groupshare", true) == extension;
}

/* One transaction; true when more is due at once. A database without the extension is left alone. */
static bool run_once(void)
{
	bool more = false;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, "groupshare.run_maintenance()");
	if (hold_extension())
		more = gs_maintenance_run();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	return more;
}

void gs_worker_main(Datum unused)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(MyBgworkerEntry->bgw_extra, NULL, 0);
	/* Nothing that a database's or role's own settings say may come before pg_catalog for this superuser. */
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);
	for (;;) {
		long wait_ms = run_once() ? 0 : gs_maintenance_interval_ms;

		(void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, wait_ms, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending) {
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
}
