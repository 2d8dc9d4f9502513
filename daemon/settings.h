/* SPDX-License-Identifier: PostgreSQL */
/*
 * Settings: one const table a program, read from an INI file (libinih), overridden by environment variables
 * (PREFIX_SECTION_NAME, upper case), checked against ranges, dumped with secrets masked. A repeated section
 * ("[control.cs1]") is announced in the table with section "control.*" and delivered to a callback with the part after
 * the dot.
 */
#ifndef GS_SETTINGS_H
#define GS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum GsSettingType {
	GS_SETTING_STRING, /* char *, malloc'd, NULL when empty and no default */
	GS_SETTING_INT,    /* int64_t */
	GS_SETTING_BOOL    /* bool */
} GsSettingType;

typedef struct GsSetting {
	const char *section;
	const char *name; /* the unit last: receipt_wait_ms */
	GsSettingType type;
	size_t offset;        /* in the program's settings struct */
	const char *fallback; /* default as text; NULL = no default */
	int64_t min, max;     /* GS_SETTING_INT only */
	bool required;
	bool secret; /* masked in a dump */
	const char *help;
} GsSetting;

typedef struct GsSettingsTable {
	const GsSetting *settings; /* ended by section == NULL */
	const char *env_prefix;    /* "GROUPSHARE_GATEWAY" */
	/* For "x.*" sections: store it, or return NULL for fine, else a static text that says what is wrong. `line` names
	 * an unknown name too. */
	const char *(*repeated)(void *target, const char *section, const char *label, const char *name, const char *value);
	/* After all values: cross checks; NULL for fine. */
	const char *(*check)(void *target);
	/* Print the repeated sections for --dump-config. */
	void (*dump_repeated)(const void *target, FILE *out);
} GsSettingsTable;

/* Fills `target` (zeroed by the caller). On failure writes "file:line: what" into error and returns a negative value.
 * path may be NULL. */
__attribute__((warn_unused_result)) int gs_settings_load(const GsSettingsTable *table, const char *path, void *target,
														 char *error, size_t error_size);
void gs_settings_dump(const GsSettingsTable *table, const void *target, FILE *out);
void gs_settings_free(const GsSettingsTable *table, void *target); /* frees the strings of the table */

/* The settings that every daemon has; a program's struct starts with it, its table with GS_COMMON_SETTINGS. */
typedef struct GsCommonSettings {
	char *listen_host;                   /* [listen] host = 127.0.0.1 */
	int64_t listen_port;                 /* [listen] port; 0 = any */
	char *port_file;                     /* [listen] port_file: the bound port is written here */
	bool cleartext;                      /* [listen] cleartext = h2c by prior knowledge instead of TLS */
	char *tls_certificate;               /* [tls] certificate, PEM chain */
	char *tls_key;                       /* [tls] key, PEM */
	int64_t workers;                     /* [process] workers */
	char *user;                          /* [process] user, after binding, when started by root */
	int64_t drain_timeout_ms;            /* [process] drain_timeout_ms */
	char *cors_origins;                  /* [cors] origins, cors.h; NULL = none */
	char *log_level;                     /* [log] level = debug|info|warn|error */
	int64_t max_connections;             /* [limits] per worker */
	int64_t max_connections_per_address; /* [limits] */
	int64_t max_streams;                 /* [limits] concurrent streams a connection */
	int64_t handshake_timeout_ms, header_timeout_ms, idle_timeout_ms, send_stall_timeout_ms; /* [limits] */
	int64_t min_body_rate_bytes;                          /* [limits] a second, after 10 s of grace */
	int64_t stream_window_bytes, connection_window_bytes; /* [limits] */
} GsCommonSettings;

/* Rows of GsSetting for the above, for offset base 0; daemon/settings_common.h defines the macro GS_COMMON_SETTINGS. */

#endif
