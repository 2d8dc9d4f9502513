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
	bool shown;     /* a line is on the terminal now */
	bool enabled;   /* stderr is a terminal and --quiet was not said */
	char *label;    /* escaped; owned */
	int phase;      /* of the latest call; -1: none */
	double drawn_s; /* when the line was drawn last, monotonic clock */
	uint64_t drawn; /* bytes then */
	double rate;    /* smoothed, bytes a second; 0: not known yet */
} CliProgress;

/* `label` is escaped here. */
void cli_progress_begin(CliProgress *progress, const char *label, bool wanted);

/* A GsClientProgress: `arg` is the CliProgress. Never cancels. */
int cli_progress_show(void *arg, GsClientPhase phase, uint64_t done, uint64_t total);

/* Removes the line and frees. */
void cli_progress_end(CliProgress *progress);

/*
 * The line for `width` columns, without control characters: "label  45% [=====>    ] 1.2 GiB  35.0 MiB/s  0:41". What
 * does not fit is left out, the bar first. rate 0: no rate and no time yet. Pure.
 */
void cli_progress_line(char to[CLI_PROGRESS_LINE], size_t width, const char *label, uint64_t done, uint64_t total,
					   double rate);

#endif
