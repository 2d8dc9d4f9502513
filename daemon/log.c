/* SPDX-License-Identifier: PostgreSQL */
/*
 * logfmt lines to stderr. A line is built in one buffer on the stack and written whole, alone or with others by one
 * write(2) of no more than a pipe takes at once, so lines of several processes do not mix. Everything that is not plain
 * text is escaped: nothing from outside can start a second line.
 */
#include "daemon/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 4096

typedef struct Line {
	char text[LINE_BYTES];
	size_t used; /* at most LINE_BYTES - 1: the newline always fits */
} Line;

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *log_program = "groupshare";
static GsLogLevel log_level = GS_LOG_INFO;
static char log_pid[16];

/* Lines on their way; only of the thread that asked for it. */
static _Thread_local bool holding;
static _Thread_local size_t held_bytes;
static _Thread_local char held[LINE_BYTES];

void gs_log_init(const char *program, GsLogLevel level)
{
	log_program = program;
	log_level = level;
}

void gs_log_process(void)
{
	snprintf(log_pid, sizeof(log_pid), "%d", (int)getpid());
}

static void line_put(Line *line, const char *text, size_t size)
{
	size_t room = LINE_BYTES - 1 - line->used;

	if (size > room)
		size = room;
	memcpy(line->text + line->used, text, size);
	line->used += size;
}

static void line_puts(Line *line, const char *text)
{
	line_put(line, text, strlen(text));
}

static bool value_is_plain(const char *value)
{
	if (*value == '\0')
		return false;
	for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '"' || *p == '=' || *p == '\\')
			return false;
	return true;
}

static void line_value(Line *line, const char *value)
{
	if (value_is_plain(value)) {
		line_puts(line, value);
		return;
	}
	line_put(line, "\"", 1);
	for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++) {
		char escaped[8];

		if (*p == '"' || *p == '\\')
			snprintf(escaped, sizeof(escaped), "\\%c", *p);
		else if (*p == '\n')
			snprintf(escaped, sizeof(escaped), "\\n");
		else if (*p < ' ' || *p == 0x7f)
			snprintf(escaped, sizeof(escaped), "\\x%02x", *p);
		else
			snprintf(escaped, sizeof(escaped), "%c", *p);
		line_puts(line, escaped);
	}
	line_put(line, "\"", 1);
}

static void line_pair(Line *line, const char *key, const char *value)
{
	if (line->used > 0)
		line_put(line, " ", 1);
	line_puts(line, key);
	line_put(line, "=", 1);
	line_value(line, value != NULL ? value : "-");
}

/* A second's text serves all of its lines. */
static void line_time(Line *line)
{
	static _Thread_local time_t second = -1;
	static _Thread_local char text[] = "0000-00-00T00:00:00.000Z";
	char *digits = text + sizeof("0000-00-00T00:00:00.") - 1;
	struct timespec now;
	int ms;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != second) {
		struct tm tm;

		gmtime_r(&now.tv_sec, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
		second = now.tv_sec;
	}
	ms = (int)(now.tv_nsec / 1000000);
	digits[0] = (char)('0' + ms / 100);
	digits[1] = (char)('0' + ms / 10 % 10);
	digits[2] = (char)('0' + ms % 10);
	line_pair(line, "ts", text);
}

static void write_all(const char *text, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(STDERR_FILENO, text + done, size - done);

		if (n <= 0)
			return; /* there is nowhere left to complain to */
		done += (size_t)n;
	}
}

void gs_log_flush(void)
{
	size_t size = held_bytes;

	held_bytes = 0;
	write_all(held, size);
}

void gs_log_hold(bool on)
{
	gs_log_flush();
	holding = on;
}

static void line_write(Line *line, GsLogLevel level)
{
	line->text[line->used++] = '\n';
	if (line->used > sizeof(held) - held_bytes || level > GS_LOG_INFO)
		gs_log_flush();
	if (!holding || level > GS_LOG_INFO) {
		write_all(line->text, line->used);
		return;
	}
	memcpy(held + held_bytes, line->text, line->used);
	held_bytes += line->used;
}

void gs_log(GsLogLevel level, const char *request_id, const char *msg, ...)
{
	Line line;
	const char *key;
	va_list args;

	if (level < log_level)
		return;
	line.used = 0;
	line_time(&line);
	line_pair(&line, "level", level_names[level]);
	line_pair(&line, "prog", log_program);
	line_pair(&line, "pid", log_pid);
	if (request_id != NULL)
		line_pair(&line, "req", request_id);
	line_pair(&line, "msg", msg);
	va_start(args, msg);
	while ((key = va_arg(args, const char *)) != NULL)
		line_pair(&line, key, va_arg(args, const char *));
	va_end(args);
	line_write(&line, level);
}
