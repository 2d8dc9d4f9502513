/* SPDX-License-Identifier: PostgreSQL */
/* Cross checks of the settings that both daemons share. */
#include "daemon/settings_common.h"

#include <string.h>

#include "daemon/cors.h"
#include "daemon/log.h"

int gs_settings_log_level(const GsCommonSettings *common)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};

	for (int i = 0; common->log_level != NULL && i < 4; i++)
		if (strcmp(common->log_level, names[i]) == 0)
			return GS_LOG_DEBUG + i;
	return -1;
}

const char *gs_settings_check_common(const GsCommonSettings *common)
{
	if (common->listen_host == NULL)
		return "listen.host is required";
	if (gs_settings_log_level(common) < 0)
		return "log.level is none of debug, info, warn, error";
	if (!common->cleartext && (common->tls_certificate == NULL || common->tls_key == NULL))
		return "tls.certificate and tls.key are required unless listen.cleartext = true";
	if (common->stream_window_bytes > common->connection_window_bytes)
		return "limits.stream_window_bytes is larger than limits.connection_window_bytes";
	return gs_cors_check(common->cors_origins);
}
