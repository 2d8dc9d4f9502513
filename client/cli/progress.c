/* SPDX-License-Identifier: PostgreSQL */
/*
 * The progress bar: at most ten lines a second, each one write() that goes back to the line's start, overwrites it and
 * clears the rest, so that nothing flickers. The width is asked for each time: a resized window needs no signal.
 */
#include "client/cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/print.h"
#include "client/name.h"

#define REDRAW_S 0.1
#define SMOOTHING 0.15 /* weight of the latest interval */
#define WIDTH_DEFAULT 80
#define BAR_LEAST 10
#define BAR_MOST 60
#define LABEL_MOST 40

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void cli_progress_begin(CliProgress *progress, size_t files, uint64_t bytes, bool wanted)
{
	*progress = (CliProgress){.phase = -1, .files = files, .bytes = bytes, .began_s = now_s()};
	progress->enabled = wanted && isatty(STDERR_FILENO);
}

void cli_progress_next(CliProgress *progress, const char *label)
{
	free(progress->label);
	progress->label = cli_escape(label);
	progress->file++;
	if (progress->files <= 1)
		progress->phase = -1;
}

/* Copies at most `most` characters of `label`; returns how many. */
static size_t put_label(char *to, const char *label, size_t most)
{
	size_t characters = 0;

	while (*label != '\0' && characters < most) {
		size_t n = gs_utf8_length(label);

		if (n == 0)
			break;
		memcpy(to, label, n);
		to += n;
		label += n;
		characters++;
	}
	*to = '\0';
	return characters;
}

static void put_bar(char *to, size_t cells, double share)
{
	size_t full = (size_t)(share * (double)cells);

	*to++ = '[';
	for (size_t i = 0; i < cells; i++)
		*to++ = i < full ? '=' : (i == full ? '>' : ' ');
	*to++ = ']';
	*to = '\0';
}

void cli_progress_line(char to[CLI_PROGRESS_LINE], size_t width, const char *label, uint64_t done, uint64_t total,
					   double rate)
{
	double share = total == 0 || done >= total ? 1 : (double)done / (double)total;
	char shown[4 * LABEL_MOST + 1];
	char bar[BAR_MOST + 3] = "";
	char size[CLI_SIZE_TEXT];
	char speed[CLI_SIZE_TEXT] = "";
	char left[CLI_SIZE_TEXT] = "";
	char numbers[4 * CLI_SIZE_TEXT];
	size_t label_width;
	size_t used;

	cli_format_size(size, done);
	if (rate >= 1) {
		cli_format_size(speed, (uint64_t)rate);
		cli_format_duration(left, done >= total ? 0 : (uint64_t)((double)(total - done) / rate + 0.5));
		snprintf(numbers, sizeof(numbers), "%9s  %9s/s  %7s", size, speed, left);
	} else {
		snprintf(numbers, sizeof(numbers), "%9s", size);
	}
	/* "label" + " 100% " + bar + " " + numbers must stay below the width, or the line would wrap. */
	used = 6 + strlen(numbers) + 1;
	if (width <= used + 1) {
		snprintf(to, CLI_PROGRESS_LINE, "%3d%%", (int)(share * 100));
		return;
	}
	label_width = put_label(shown, label, width - used - 1 < LABEL_MOST ? width - used - 1 : LABEL_MOST);
	used += label_width;
	if (width > used + BAR_LEAST + 3) {
		size_t cells = width - used - 3;

		put_bar(bar, cells < BAR_MOST ? cells : BAR_MOST, share);
	}
	snprintf(to, CLI_PROGRESS_LINE, "%s %3d%% %s %s", shown, (int)(share * 100), bar, numbers);
}

static size_t terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return WIDTH_DEFAULT;
	return size.ws_col;
}

static void measure(CliProgress *progress, double now, uint64_t done)
{
	double passed = now - progress->drawn_s;
	double latest = done > progress->drawn && passed > 0 ? (double)(done - progress->drawn) / passed : 0;

	progress->rate = progress->rate == 0 ? latest : progress->rate + SMOOTHING * (latest - progress->rate);
	progress->drawn_s = now;
	progress->drawn = done;
}

static const char *const VERBS[] = {
	[GS_CLIENT_HASHING] = "reading ",
	[GS_CLIENT_SENDING] = "",
	[GS_CLIENT_CHECKING] = "checking ",
	[GS_CLIENT_RECEIVING] = "",
};

static void draw(CliProgress *progress, const char *label, uint64_t done, uint64_t total)
{
	char line[CLI_PROGRESS_LINE];
	char output[CLI_PROGRESS_LINE + 8];
	int n;

	cli_progress_line(line, terminal_width(), label, done, total, progress->rate);
	n = snprintf(output, sizeof(output), "\r%s\033[K", line);
	progress->shown = n > 0 && write(STDERR_FILENO, output, (size_t)n) == n;
}

/* Of several: where all of them are; while one is only read, nothing of it counts. The rate is that of all so far,
 * since the single ones may be too short to measure. */
static void show_all(CliProgress *progress, GsClientPhase phase, uint64_t done, uint64_t total, double now)
{
	bool moving = phase == GS_CLIENT_SENDING || phase == GS_CLIENT_RECEIVING;
	uint64_t at = progress->before + (moving ? done : 0);
	/* Without the sizes of those to come, it is about what has begun. */
	uint64_t all = progress->bytes > 0 ? progress->bytes : progress->before + total;
	char label[CLI_PROGRESS_LINE];

	if (now - progress->drawn_s < REDRAW_S)
		return;
	progress->drawn_s = now;
	progress->rate = now > progress->began_s ? (double)(at - progress->idle) / (now - progress->began_s) : 0;
	snprintf(label, sizeof(label), "%zu/%zu %s%s", progress->file, progress->files, VERBS[phase], progress->label);
	draw(progress, label, at, all);
}

int cli_progress_show(void *arg, GsClientPhase phase, uint64_t done, uint64_t total)
{
	CliProgress *progress = arg;
	char label[CLI_PROGRESS_LINE];
	double now = now_s();

	if (!progress->enabled || progress->label == NULL)
		return 0;
	if (progress->files > 1) {
		show_all(progress, phase, done, total, now);
		return 0;
	}
	if (progress->phase != (int)phase || done < progress->drawn) {
		/* The first call only starts the clock: bytes of an earlier run count for no rate. */
		progress->phase = (int)phase;
		progress->drawn_s = now;
		progress->drawn = done;
		progress->rate = 0;
		return 0;
	}
	if (now - progress->drawn_s < REDRAW_S)
		return 0;
	measure(progress, now, done);
	snprintf(label, sizeof(label), "%s%s", VERBS[phase], progress->label);
	draw(progress, label, done, total);
	return 0;
}

void cli_progress_done(CliProgress *progress, uint64_t size, bool moved)
{
	static const char CLEAR[] = "\r\033[K";

	if (progress->shown && write(STDERR_FILENO, CLEAR, sizeof(CLEAR) - 1) > 0)
		progress->shown = false;
	progress->before += size;
	progress->idle += moved ? 0 : size;
}

void cli_progress_end(CliProgress *progress)
{
	free(progress->label);
	progress->label = NULL;
	progress->enabled = false;
}
