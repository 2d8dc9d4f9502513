/* SPDX-License-Identifier: PostgreSQL */
/*
 * A terminal's files, by the XDG base directory specification, or all in one directory so that one person can be
 * several terminals. Written whole and durably; the session file is 0600 and bound to url and terminal.
 */
#include "client/config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "client/file.h"
#include "client/http.h"

#define CONFIG_MAX_BYTES 65536
#define SESSION_MAX_BYTES 16384
/* inih reads lines of 200 bytes. */
#define VALUE_MAX_BYTES 180
#define SECTION "groupshare"

static const char *environment(const char *name)
{
	const char *value = secure_getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

static int join_path(char **path, const char *directory, const char *name, GsErrorBox *box)
{
	if (asprintf(path, "%s/%s", directory, name) < 0) {
		*path = NULL;
		return gs_error_memory(box);
	}
	return GS_CLIENT_OK;
}

/* $variable/groupshare, else $HOME/below/groupshare. A relative path in the variable is ignored, as XDG says. */
static int xdg_directory(char **path, const char *variable, const char *below, GsErrorBox *box)
{
	const char *base = environment(variable);
	const char *home = environment("HOME");
	char *under_home;
	int status;

	if (base != NULL && base[0] == '/')
		return join_path(path, base, "groupshare", box);
	if (home == NULL)
		return gs_error_set(box, GS_CLIENT_INVALID, "Give one with --home DIR or GROUPSHARE_HOME.",
							"no home directory: HOME is not set");
	status = join_path(&under_home, home, below, box);
	if (status == GS_CLIENT_OK)
		status = join_path(path, under_home, "groupshare", box);
	free(under_home);
	return status;
}

static int find_directories(const GsClientOptions *options, GsConfig *config, GsErrorBox *box)
{
	const char *home = options->home != NULL ? options->home : environment("GROUPSHARE_HOME");
	int status;

	if (home != NULL) {
		config->config_directory = strdup(home);
		config->state_directory = strdup(home);
		status =
			config->config_directory != NULL && config->state_directory != NULL ? GS_CLIENT_OK : gs_error_memory(box);
	} else {
		status = xdg_directory(&config->config_directory, "XDG_CONFIG_HOME", ".config", box);
		if (status == GS_CLIENT_OK)
			status = xdg_directory(&config->state_directory, "XDG_STATE_HOME", ".local/state", box);
	}
	if (status == GS_CLIENT_OK)
		status = join_path(&config->config_file, config->config_directory, "config.ini", box);
	if (status == GS_CLIENT_OK)
		status = join_path(&config->key_file, config->config_directory, "terminal.key", box);
	if (status == GS_CLIENT_OK)
		status = join_path(&config->session_file, config->state_directory, "session", box);
	return status;
}

static int on_setting(void *arg, const char *section, const char *name, const char *value)
{
	GsConfig *config = arg;
	char **member = NULL;

	if (strcmp(section, SECTION) == 0 && strcmp(name, "url") == 0)
		member = &config->url;
	else if (strcmp(section, SECTION) == 0 && strcmp(name, "ca") == 0)
		member = &config->ca;
	else if (strcmp(section, SECTION) == 0 && strcmp(name, "terminal") == 0)
		member = &config->terminal;
	if (member == NULL)
		return 0;
	free(*member);
	*member = strdup(value);
	return *member != NULL;
}

static int read_settings(GsConfig *config, GsErrorBox *box)
{
	char *data;
	size_t size;
	int line = 0;
	int status = gs_file_read(config->config_file, CONFIG_MAX_BYTES, false, &data, &size, box);

	if (status != GS_CLIENT_OK || data == NULL)
		return status;
	if (strlen(data) != size)
		line = 1;
	else
		line = ini_parse_string(data, on_setting, config);
	free(data);
	if (line < 0)
		return gs_error_memory(box);
	if (line > 0)
		return gs_error_set(box, GS_CLIENT_LOCAL,
							"It has a section [groupshare] with url, ca and terminal; enrolling writes it.",
							"%s, line %d: not a setting of groupshare", config->config_file, line);
	return GS_CLIENT_OK;
}

static int override(char **member, const char *option, const char *variable, GsErrorBox *box)
{
	const char *value = option != NULL ? option : environment(variable);

	if (value == NULL)
		return GS_CLIENT_OK;
	free(*member);
	*member = strdup(value);
	return *member != NULL ? GS_CLIENT_OK : gs_error_memory(box);
}

/* The CA must be found again from any directory. */
static int settle_ca(GsConfig *config, GsErrorBox *box)
{
	char *absolute;

	if (config->ca == NULL)
		return GS_CLIENT_OK;
	absolute = realpath(config->ca, NULL);
	if (absolute == NULL)
		return gs_error_errno(box, "Give the authority's certificate with --ca FILE or GROUPSHARE_CA.",
							  "cannot use the CA file %s", config->ca);
	free(config->ca);
	config->ca = absolute;
	return GS_CLIENT_OK;
}

int gs_config_load(const GsClientOptions *options, GsConfig *config, GsErrorBox *box)
{
	char *url;
	int status;

	*config = (GsConfig){0};
	status = find_directories(options, config, box);
	if (status == GS_CLIENT_OK)
		status = read_settings(config, box);
	if (status == GS_CLIENT_OK)
		status = override(&config->url, options->url, "GROUPSHARE_URL", box);
	if (status == GS_CLIENT_OK)
		status = override(&config->ca, options->ca, "GROUPSHARE_CA", box);
	if (status == GS_CLIENT_OK)
		status = settle_ca(config, box);
	if (status != GS_CLIENT_OK || config->url == NULL)
		return status;
	status = gs_http_base_url(config->url, &url, box);
	if (status == GS_CLIENT_OK) {
		free(config->url);
		config->url = url;
	}
	return status;
}

void gs_config_free(GsConfig *config)
{
	free(config->config_directory);
	free(config->state_directory);
	free(config->config_file);
	free(config->key_file);
	free(config->session_file);
	free(config->url);
	free(config->ca);
	free(config->terminal);
	*config = (GsConfig){0};
}

/* A value that the INI reader gives back as it was. */
static bool is_plain(const char *value)
{
	for (const char *at = value; *at != '\0'; at++) {
		if (iscntrl((unsigned char)*at) || *at == ';')
			return false;
	}
	return strlen(value) <= VALUE_MAX_BYTES && !isspace((unsigned char)value[0]);
}

int gs_config_save(const GsConfig *config, GsErrorBox *box)
{
	const char *names[] = {"url", "ca", "terminal"};
	const char *values[] = {config->url, config->ca, config->terminal};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int status = GS_CLIENT_OK;

	if (out == NULL)
		return gs_error_memory(box);
	fprintf(out, "; written by groupshare enroll\n[" SECTION "]\n");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (values[i] == NULL)
			continue;
		if (!is_plain(values[i]))
			status = gs_error_set(box, GS_CLIENT_INVALID, "Move the file to a shorter path.",
								  "%s can't be saved, it is longer than %d bytes or has unusual characters: %s",
								  names[i], VALUE_MAX_BYTES, values[i]);
		fprintf(out, "%s = %s\n", names[i], values[i]);
	}
	if (fclose(out) != 0 && status == GS_CLIENT_OK)
		status = gs_error_memory(box);
	if (status == GS_CLIENT_OK)
		status = gs_file_make_directory(config->config_directory, box);
	if (status == GS_CLIENT_OK)
		status = gs_file_write(config->config_file, text, size, true, box);
	free(text);
	return status;
}

static bool says(const json_t *object, const char *name, const char *value)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL && value != NULL && strcmp(text, value) == 0;
}

void gs_session_load(const GsConfig *config, GsSession *session)
{
	GsErrorBox ignored;
	char *data;
	size_t size;
	json_t *saved;

	*session = (GsSession){0};
	if (gs_file_read(config->session_file, SESSION_MAX_BYTES, true, &data, &size, &ignored) != GS_CLIENT_OK ||
		data == NULL)
		return;
	saved = json_loadb(data, size, 0, NULL);
	free(data);
	if (says(saved, "url", config->url) && says(saved, "terminal", config->terminal) &&
		json_string_length(json_object_get(saved, "session")) > 0) {
		const char *server = json_string_value(json_object_get(saved, "server"));
		const char *expires_at = json_string_value(json_object_get(saved, "expires_at"));

		session->token = strdup(json_string_value(json_object_get(saved, "session")));
		session->server = strdup(server != NULL ? server : "");
		session->expires_at = strdup(expires_at != NULL ? expires_at : "");
	}
	json_decref(saved);
	if (session->token == NULL || session->server == NULL || session->expires_at == NULL)
		gs_session_free(session);
}

int gs_session_save(const GsConfig *config, const GsSession *session, GsErrorBox *box)
{
	json_t *saved = json_pack("{s:s, s:s, s:s, s:s, s:s}", "url", config->url, "terminal", config->terminal, "session",
							  session->token, "server", session->server, "expires_at", session->expires_at);
	char *text = saved != NULL ? json_dumps(saved, JSON_COMPACT) : NULL;
	int status;

	json_decref(saved);
	if (text == NULL)
		return gs_error_memory(box);
	status = gs_file_make_directory(config->state_directory, box);
	if (status == GS_CLIENT_OK)
		status = gs_file_write(config->session_file, text, strlen(text), true, box);
	free(text);
	return status;
}

void gs_session_free(GsSession *session)
{
	free(session->token);
	free(session->server);
	free(session->expires_at);
	*session = (GsSession){0};
}
