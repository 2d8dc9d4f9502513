/* SPDX-License-Identifier: PostgreSQL */
/*
 * The worker's state, and how work gets to the thread pool. Everything here belongs to the loop thread; a job's `run`
 * alone is called on a pool thread and touches only its owner's disk side (GsStage, GsDisk descriptors, buffers).
 */
#ifndef GS_STORE_H
#define GS_STORE_H

#include <sys/queue.h>
#include <uv.h>

#include "storaged/active.h"
#include "storaged/clock.h"
#include "storaged/disk.h"
#include "storaged/revocation.h"
#include "storaged/settings.h"
#include "storaged/ticket.h"

#define GS_SERVERS_MAX 64 /* control servers that own something on this disk; more than are in the settings now */
#define GS_URL_MAX 1024

struct GsControl;
struct GsReceipt;
struct GsReceiptWait;
TAILQ_HEAD(GsReceiptQueue, GsReceipt);
TAILQ_HEAD(GsReceiptWaits, GsReceiptWait);
struct GsTransfer;
TAILQ_HEAD(GsTransfers, GsTransfer);
struct GsDamage;
TAILQ_HEAD(GsDamageQueue, GsDamage);
struct GsScrub;
struct GsInventory;
struct GsPace;
TAILQ_HEAD(GsPaces, GsPace);
struct GsProofs;
struct GsTicketCache;
struct GsSidecarCache;
struct GsFetch;
TAILQ_HEAD(GsFetches, GsFetch);
struct GsJob;
TAILQ_HEAD(GsJobQueue, GsJob);

/*
 * Syncs wait for the disk, half of the threads at most do so; writes free memory, they have a quarter for themselves;
 * what is left answers reports, acknowledgements and reads, which so never wait behind a slow disk's queue.
 */
typedef enum GsJobKind { GS_JOB_LIGHT, GS_JOB_WRITE, GS_JOB_SYNC, GS_JOB_KINDS } GsJobKind;

/* What this device does for one control server. */
typedef struct GsServer {
	GsUuid id;
	GsUuid device;             /* what it calls this device, once it was announced */
	GsClock clock;             /* of its last answer */
	struct GsControl *control; /* the connection that announced as this server; NULL = none since the start */
	struct GsReceiptQueue receipts, postponed; /* to be sent; failed, to be sent again after the next report */
	size_t receipt_count;
	struct GsDamageQueue damages;  /* in quarantine, to be told */
	struct GsInventory *inventory; /* being told; NULL: none */
	/*
	 * Bytes allocated on disk, receipts not sent yet; and how many of them have been so all along since the free space
	 * was measured last. The second is what a report says: a byte freed or acknowledged meanwhile is in neither sum.
	 */
	uint64_t staged_bytes, staged_floor_bytes;
	bool working;        /* a batch of deletions is under way */
	bool fetched;        /* since the last report: there may be more to fetch */
	bool fetch_waits;    /* an order of its last report has no place among max_fetches yet */
	uint64_t fetch_turn; /* when it started one last, counted in starts; 0 = never */
} GsServer;

typedef struct GsStore {
	uv_loop_t *loop;
	const GsStorageSettings *settings;
	size_t io_threads; /* of the pool, which keeps its size for life */
	GsDisk disk;
	int64_t epoch;
	char url[GS_URL_MAX];
	GsTicketKeys keys;
	struct GsTicketCache *tickets;
	struct GsSidecarCache *sidecars;
	GsRevocations revocations;
	GsActiveTable active;
	GsActiveTable staged; /* unfinished uploads that nobody is at work on (staged.h) */
	size_t staged_count;
	uv_timer_t staged_timer;
	struct GsTransfers open; /* uploads and downloads whose stream is open (transfer.h) */
	GsServer servers[GS_SERVERS_MAX];
	size_t server_count;
	struct GsControl *controls[GS_CONTROL_MAX];
	size_t control_count;
	struct GsReceiptWaits waits; /* oldest first */
	uv_timer_t wait_timer;
	uint64_t used_bytes;                     /* stored and staged, by the objects' sizes */
	size_t transfers, uploads, jobs;         /* uploads are transfers too */
	struct GsJobQueue waiting[GS_JOB_KINDS]; /* bounded by the transfers: each has one job at most */
	size_t running[GS_JOB_KINDS];
	bool read_only; /* this disk failed to keep a promise; until the daemon is started again */
	bool draining, stopping;
	size_t damage_count;
	struct GsScrub *scrub;
	struct GsProofs *proofs;
	struct GsPaces paces; /* of terminals whose plan has a rate (pace.h) */
	uv_timer_t pace_timer;
	struct GsFetches fetches;
	size_t fetching; /* of them running */
	uint64_t fetch_turns;
} GsStore;

/* Disk work. Embedded in its owner, which must live until `done`; one at a time. */
typedef struct GsJob {
	uv_work_t work;
	GsStore *store;
	void *owner;
	void (*run)(void *owner);  /* pool thread */
	void (*done)(void *owner); /* loop thread */
	GsJobKind kind;
	TAILQ_ENTRY(GsJob) link;
} GsJob;

void gs_job_submit(GsJob *job, GsStore *store, GsJobKind kind, void *owner, void (*run)(void *), void (*done)(void *));

/* A thread of its own beside the pool: the daemon does not end before it. */
void gs_store_begin_thread(GsStore *store);
void gs_store_end_thread(GsStore *store);

/* NULL when `id` is new and the table is full (or `add` is false). */
GsServer *gs_store_server(GsStore *store, const GsUuid *id, bool add);
void gs_server_stage(GsServer *server, uint64_t bytes);
void gs_server_unstage(GsServer *server, uint64_t bytes);

/* One more or less PUT or GET; the first is false at max_transfers. */
__attribute__((warn_unused_result)) bool gs_store_begin(GsStore *store);
void gs_store_end(GsStore *store);

/* Room under capacity_bytes (the disk's own is found by allocating). */
bool gs_store_has_room(const GsStore *store, uint64_t bytes);
void gs_store_set_read_only(GsStore *store, const char *object, int error);

/* The numbers of a report, from a measurement of the disk. */
typedef struct GsSpace {
	uint64_t capacity_bytes, free_bytes;
} GsSpace;
GsSpace gs_store_space(const GsStore *store, const GsDiskSpace *disk);

#endif
