/* SPDX-License-Identifier: PostgreSQL */
/*
 * The rows of the settings that both daemons share. A program's table starts with GS_COMMON_SETTINGS and its struct
 * with a GsCommonSettings. Times and sizes default to what reliability under hostile clients asks for.
 */
#ifndef GS_SETTINGS_COMMON_H
#define GS_SETTINGS_COMMON_H

#include "daemon/settings.h"

#define GS_COMMON_STRING(section_, name_, field, fallback_, help_)                                                  \
	{                                                                                                               \
		.section = section_, .name = name_, .type = GS_SETTING_STRING, .offset = offsetof(GsCommonSettings, field), \
		.fallback = fallback_, .help = help_                                                                        \
	}
#define GS_COMMON_INT(section_, name_, field, fallback_, min_, max_, help_)                                      \
	{                                                                                                            \
		.section = section_, .name = name_, .type = GS_SETTING_INT, .offset = offsetof(GsCommonSettings, field), \
		.fallback = fallback_, .min = min_, .max = max_, .help = help_                                           \
	}
#define GS_COMMON_BOOL(section_, name_, field, fallback_, help_)                                                  \
	{                                                                                                             \
		.section = section_, .name = name_, .type = GS_SETTING_BOOL, .offset = offsetof(GsCommonSettings, field), \
		.fallback = fallback_, .help = help_                                                                      \
	}

/* clang-format off */
#define GS_COMMON_SETTINGS \
	GS_COMMON_STRING("listen", "host", listen_host, "127.0.0.1", "numeric address to listen on; :: for all"), \
	GS_COMMON_INT("listen", "port", listen_port, "0", 0, 65535, "0 = any free port"), \
	GS_COMMON_STRING("listen", "port_file", port_file, NULL, "the bound port is written here"), \
	GS_COMMON_BOOL("listen", "cleartext", cleartext, "false", "HTTP/2 by prior knowledge instead of TLS"), \
	GS_COMMON_STRING("tls", "certificate", tls_certificate, NULL, "PEM file: certificate, then its chain"), \
	GS_COMMON_STRING("tls", "key", tls_key, NULL, "PEM file"), \
	GS_COMMON_INT("process", "workers", workers, "1", 1, 256, "worker processes"), \
	GS_COMMON_STRING("process", "user", user, NULL, "user to become after binding, when started by root"), \
	GS_COMMON_INT("process", "drain_timeout_ms", drain_timeout_ms, "30000", 0, 3600000, "for running requests at TERM"), \
	GS_COMMON_STRING("log", "level", log_level, "info", "debug, info, warn or error"), \
	GS_COMMON_INT("limits", "max_connections", max_connections, "10000", 1, 1000000, "a worker"), \
	GS_COMMON_INT("limits", "max_connections_per_address", max_connections_per_address, "1000", 1, 1000000, "a worker"), \
	GS_COMMON_INT("limits", "max_streams", max_streams, "128", 1, 1000, "concurrent requests a connection"), \
	GS_COMMON_INT("limits", "handshake_timeout_ms", handshake_timeout_ms, "5000", 10, 600000, "TLS handshake"), \
	GS_COMMON_INT("limits", "header_timeout_ms", header_timeout_ms, "10000", 10, 600000, "preface, a header block"), \
	GS_COMMON_INT("limits", "idle_timeout_ms", idle_timeout_ms, "120000", 10, 86400000, "no request on a connection"), \
	GS_COMMON_INT("limits", "send_stall_timeout_ms", send_stall_timeout_ms, "30000", 10, 600000, "no progress of a body"), \
	GS_COMMON_INT("limits", "min_body_rate_bytes", min_body_rate_bytes, "1024", 0, 1073741824, "a second and connection, after 10 s"), \
	GS_COMMON_INT("limits", "stream_window_bytes", stream_window_bytes, "4194304", 65535, 1073741824, "body bytes under way, a request"), \
	GS_COMMON_INT("limits", "connection_window_bytes", connection_window_bytes, "16777216", 65535, 1073741824, "body bytes under way, a connection")
/* clang-format on */

/* Which web pages may use the API; its default is each program's own. */
#define GS_COMMON_CORS(fallback_)                                \
	GS_COMMON_STRING("cors", "origins", cors_origins, fallback_, \
					 "web pages of these origins may use the API; * = all, empty = none")

/* Cross checks of the common part (certificate present unless cleartext, log level known); NULL for fine. */
const char *gs_settings_check_common(const GsCommonSettings *common);
int gs_settings_log_level(const GsCommonSettings *common);

#endif
