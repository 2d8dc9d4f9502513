/* SPDX-License-Identifier: PostgreSQL */
/*
 * logfmt to stderr, one line one write. Values are quoted and escaped where needed, so that nothing from outside can
 * forge a line; a line is cut at 4 KiB. Secrets never come here: callers log ids, not tokens.
 */
#ifndef GS_LOG_H
#define GS_LOG_H

#include <stdbool.h>

typedef enum GsLogLevel { GS_LOG_DEBUG, GS_LOG_INFO, GS_LOG_WARN, GS_LOG_ERROR } GsLogLevel;

/*
 * This thread's lines of level info and below wait from here on, so that several leave by one write: until
 * gs_log_flush, until there are as many as a pipe takes whole, or until a graver one comes. Off: they leave at once.
 */
void gs_log_hold(bool on);
void gs_log_flush(void);

void gs_log_init(const char *program, GsLogLevel level);
/* For main and the child of a fork, before there are threads: lines say this process's number, and none asks for it. */
void gs_log_process(void);

/*
 * ts=… level=… prog=… pid=… [req=…] msg="…" then key=value pairs: `keys` are alternating const char *key, *value, ended
 * by NULL. e.g. gs_log(GS_LOG_WARN, NULL, "connection lost", "server", name, "error", text, NULL)
 */
void gs_log(GsLogLevel level, const char *request_id, const char *msg, ...) __attribute__((sentinel));

#endif
