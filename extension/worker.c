/* SPDX-License-Identifier: PostgreSQL */
/*
 * Background workers. One launcher, connected to no database, has one worker run for each database of
 * groupshare.databases that exists, each running maintenance at its interval. A worker holds no state between rounds:
 * after an error it ends, and the launcher starts another one, later and later if they don't last. All run on a primary
 * only, and take one of max_worker_processes each.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"
#include "utils/wait_event.h"

#include "maintenance.h"
#include "settings.h"
#include "worker.h"

#define LOOK_MS 1000
#define PAUSE_FIRST_MS 5000
#define PAUSE_MOST_MS 60000
#define DATABASES_MOST 32

PGDLLEXPORT void gs_launcher_main(Datum unused);
PGDLLEXPORT void gs_worker_main(Datum unused);

typedef struct Child {
	char database[NAMEDATALEN];
	BackgroundWorkerHandle *handle; /* NULL: none runs */
	TimestampTz tried_at;
	int pause_ms; /* from then to the next try */
	bool told;    /* the log says already why none runs */
} Child;

static Child children[DATABASES_MOST];
static int child_count;

static void read_databases(void)
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
	child_count = 0;
	foreach (cell, databases)
		strlcpy(children[child_count++].database, lfirst(cell), NAMEDATALEN);
}

void gs_worker_register(void)
{
	BackgroundWorker launcher = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = PAUSE_FIRST_MS / 1000,
		.bgw_library_name = "groupshare",
		.bgw_function_name = "gs_launcher_main",
		.bgw_name = "groupshare launcher",
		.bgw_type = "groupshare launcher",
	};

	read_databases();
	if (child_count > 0)
		RegisterBackgroundWorker(&launcher);
}

/* The launcher -------------------------------------------------------------------------------------------------------
 */

static bool start(Child *child)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "groupshare",
		.bgw_function_name = "gs_worker_main",
		.bgw_type = "groupshare maintenance",
		.bgw_notify_pid = MyProcPid,
	};
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
	bool started;

	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "groupshare maintenance of %s", child->database);
	strlcpy(worker.bgw_extra, child->database, sizeof(worker.bgw_extra));
	started = RegisterDynamicBackgroundWorker(&worker, &child->handle);
	MemoryContextSwitchTo(before);
	return started;
}

static bool exists(const char *database)
{
	ScanKeyData name;
	Relation databases;
	SysScanDesc scan;
	bool found;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	ScanKeyInit(&name, Anum_pg_database_datname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum(database));
	databases = table_open(DatabaseRelationId, AccessShareLock);
	/* Not by an index: what it is, a process without a database can't read before another one has written it down. */
	scan = systable_beginscan(databases, InvalidOid, false, NULL, 1, &name);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(databases, AccessShareLock);
	CommitTransactionCommand();
	return found;
}

/* True while it runs. One that has ended soon waits longer for the next. */
static bool is_running(Child *child)
{
	pid_t pid;

	if (child->handle == NULL)
		return false;
	if (GetBackgroundWorkerPid(child->handle, &pid) != BGWH_STOPPED)
		return true;
	pfree(child->handle);
	child->handle = NULL;
	child->pause_ms = TimestampDifferenceExceeds(child->tried_at, GetCurrentTimestamp(), PAUSE_MOST_MS)
						  ? PAUSE_FIRST_MS
						  : Min(2 * child->pause_ms, PAUSE_MOST_MS);
	return false;
}

static void tend(Child *child)
{
	TimestampTz now = GetCurrentTimestamp();

	/* A clock that was set back holds nobody up. */
	if (is_running(child) ||
		(child->tried_at <= now && !TimestampDifferenceExceeds(child->tried_at, now, child->pause_ms)))
		return;
	child->tried_at = now;
	if (!exists(child->database)) {
		if (!child->told)
			ereport(LOG, (errmsg("database \"%s\" of groupshare.databases does not exist", child->database),
						  errdetail("Its maintenance begins when it does.")));
		child->told = true;
	} else if (start(child)) {
		child->told = false;
	} else {
		if (!child->told)
			ereport(LOG, (errmsg("there is no background worker left for maintenance of \"%s\"", child->database),
						  errhint("Increase max_worker_processes.")));
		child->told = true;
	}
}

static void end_all(int code, Datum unused)
{
	for (int i = 0; i < child_count; i++)
		if (children[i].handle != NULL)
			TerminateBackgroundWorker(children[i].handle);
}

static void wait_for_latch(long wait_ms)
{
	(void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, wait_ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending) {
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

void gs_launcher_main(Datum unused)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	read_databases();
	for (int i = 0; i < child_count; i++)
		children[i].pause_ms = PAUSE_FIRST_MS;
	before_shmem_exit(end_all, (Datum)0);
	for (;;) {
		for (int i = 0; i < child_count; i++)
			tend(&children[i]);
		/* The end of a worker sets the latch, too. */
		wait_for_latch(LOOK_MS);
	}
}

/* A worker -----------------------------------------------------------------------------------------------------------
 */

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
	/* Nothing that a database's or role's own settings say may come before pg_catalog for this superuser. And a round
	 * sees what others commit meanwhile. One that only reads ends the worker: the next one may be allowed to write. */
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_SUSET, PGC_S_OVERRIDE);
	for (;;)
		wait_for_latch(run_once() ? 0 : gs_maintenance_interval_ms);
}
