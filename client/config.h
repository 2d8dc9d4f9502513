/* SPDX-License-Identifier: PostgreSQL */
/*
 * Where a terminal's files are and what they say: settings (config.ini: url, ca, terminal), the key's path, and the
 * cached session. Precedence of a setting: the caller's option, the environment, the file.
 */
#ifndef GS_CLIENT_CONFIG_H
#define GS_CLIENT_CONFIG_H

#include "client/error.h"

/* Every member is malloc'd or NULL. */
typedef struct GsConfig {
	char *config_directory;
	char *state_directory;
	char *config_file;
	char *key_file;
	char *session_file;
	char *url;
	char *ca;
	char *terminal; /* NULL: not enrolled */
} GsConfig;

typedef struct GsSession {
	char *token;
	char *server;
	char *expires_at;
} GsSession;

/* Reads; makes nothing. `config` is zeroed first; gs_config_free() after either result. */
__attribute__((warn_unused_result)) int gs_config_load(const GsClientOptions *options, GsConfig *config,
													   GsErrorBox *box);
void gs_config_free(GsConfig *config);

/* Writes url, ca and terminal to config.ini, making the directory. */
__attribute__((warn_unused_result)) int gs_config_save(const GsConfig *config, GsErrorBox *box);

/*
 * The cached session of this url and terminal; all NULL when there is none. A damaged or foreign file counts as none,
 * since a session is made anew at any time.
 */
void gs_session_load(const GsConfig *config, GsSession *session);
__attribute__((warn_unused_result)) int gs_session_save(const GsConfig *config, const GsSession *session,
														GsErrorBox *box);
void gs_session_free(GsSession *session);

#endif
