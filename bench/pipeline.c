/* SPDX-License-Identifier: PostgreSQL */
/*
 * pipeline CONNINFO DEPTH SECONDS STATEMENT [PARAMETER...]: one connection in libpq's pipeline mode that keeps DEPTH
 * executions of a prepared statement under way, a Sync each, as a gateway does that wants each to be a transaction of
 * its own. Prints how many a second. It is the peer of the gateway: whoever calls the same function can't do better
 * than this.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MAX_PARAMETERS 8

typedef struct Run {
	PGconn *conn;
	int parameters;
	const char *values[MAX_PARAMETERS];
	long done;
} Run;

static void fail(const Run *run, const char *what)
{
	fprintf(stderr, "pipeline: %s: %s\n", what, PQerrorMessage(run->conn));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void send_one(Run *run)
{
	if (!PQsendQueryPrepared(run->conn, "s", run->parameters, run->values, NULL, NULL, 1) || !PQpipelineSync(run->conn))
		fail(run, "send");
}

/* One result of the statement, the NULL behind it, and the Sync's. */
static void take_one(Run *run)
{
	PGresult *result = PQgetResult(run->conn);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		fail(run, "result");
	PQclear(result);
	if (PQgetResult(run->conn) != NULL)
		fail(run, "one result is expected");
	result = PQgetResult(run->conn);
	if (PQresultStatus(result) != PGRES_PIPELINE_SYNC)
		fail(run, "sync");
	PQclear(result);
	run->done++;
}

static void prepare(Run *run, const char *statement)
{
	PGresult *result = PQprepare(run->conn, "s", statement, 0, NULL);

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(run, "prepare");
	PQclear(result);
	if (!PQenterPipelineMode(run->conn))
		fail(run, "pipeline mode");
}

int main(int argc, char **argv)
{
	Run run = {0};
	double begin, end, seconds;
	int depth;

	if (argc < 5 || argc > 5 + MAX_PARAMETERS) {
		fputs("usage: pipeline CONNINFO DEPTH SECONDS STATEMENT [PARAMETER...]\n", stderr);
		return 2;
	}
	depth = atoi(argv[2]);
	seconds = atof(argv[3]);
	run.parameters = argc - 5;
	for (int i = 0; i < run.parameters; i++)
		run.values[i] = argv[5 + i];
	run.conn = PQconnectdb(argv[1]);
	if (PQstatus(run.conn) != CONNECTION_OK)
		fail(&run, "connect");
	prepare(&run, argv[4]);
	begin = now();
	for (int i = 0; i < depth; i++)
		send_one(&run);
	while ((end = now()) - begin < seconds) {
		/* Whatever has come is taken together, and as much sent again. */
		int taken = 0;

		do {
			take_one(&run);
			taken++;
		} while (taken < depth && !PQisBusy(run.conn));
		for (; taken > 0; taken--)
			send_one(&run);
	}
	printf("%.1f\n", (double)run.done / (end - begin));
	PQfinish(run.conn);
	return 0;
}
