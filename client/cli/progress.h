/* SPDX-License-Identifier: PostgreSQL */
/* A progress bar with rate and time left on stderr, when it is a terminal. */
#ifndef GS_CLI_PROGRESS_H
#define GS_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/groupshare.h"

#define CLI_PROGRESS_LINE 1024

typedef struct CliProgress {
	bool shown;      /* a line is on the terminal now */
	bool enabled;    /* stderr is a terminal and --quiet was not said */
	char *label;     /* escaped; owned */
	int phase;       /* of the latest call; -1: none */
	double drawn_s;  /* when the line was drawn last, monotonic clock */
	uint64_t drawn;  /* bytes then */
	double rate;     /* smoothed, bytes a second; 0: not known yet */
	size_t files;    /* how many transfers are to come in all */
	size_t file;     /* which of them is on, from 1 */
	uint64_t bytes;  /* of all of them */
	uint64_t before; /* of those that are done */
	uint64_t idle;   /* of `before`, what did not have to be moved */
	double began_s;
} CliProgress;

/* For `files` transfers of `bytes` in all, 0: not known. With more than one the line is about all of them. */
void cli_progress_begin(CliProgress *progress, size_t files, uint64_t bytes, bool wanted);

/* The next transfer; `label` is escaped here. */
void cli_progress_next(CliProgress *progress, const char *label);

/* A GsClientProgress: `arg` is the CliProgress. Never cancels. */
int cli_progress_show(void *arg, GsClientPhase phase, uint64_t done, uint64_t total);

/* The transfer has ended: removes the line. `moved`: its bytes went over the network. */
void cli_progress_done(CliProgress *progress, uint64_t size, bool moved);

/* Frees. */
void cli_progress_end(CliProgress *progress);

/*
 * The line for `width` columns, without control characters: "label  45% [=====>    ] 1.2 GiB  35.0 MiB/s  0:41". What
 * does not fit is left out, the bar first. rate 0: no rate and no time yet. Pure.
 */
void cli_progress_line(char to[CLI_PROGRESS_LINE], size_t width, const char *label, uint64_t done, uint64_t total,
					   double rate);

#endif
