/* SPDX-License-Identifier: PostgreSQL */
/*
 * The handle's life, and the terminal's identity: enrolment and who-am-I. Enrolment writes the key before it is told to
 * anyone, and the settings after the server has taken it; a break between the two is mended by enrolling again.
 */
#include <stdlib.h>
#include <string.h>

#include "client/file.h"
#include "client/session.h"

int gs_client_open(const GsClientOptions *options, GsClient **client)
{
	static const GsClientOptions DEFAULTS = {0};
	GsClient *made = calloc(1, sizeof(*made));
	int status;

	*client = made;
	if (made == NULL)
		return GS_CLIENT_NO_MEMORY;
	gs_error_clear(&made->box);
	if (options != NULL) {
		made->waiting = options->waiting;
		made->waiting_arg = options->waiting_arg;
	}
	status = gs_config_load(options != NULL ? options : &DEFAULTS, &made->config, &made->box);
	if (status == GS_CLIENT_OK)
		status = gs_http_open(&made->http, made->config.ca, &made->box);
	if (status == GS_CLIENT_OK && made->config.url != NULL && made->config.terminal != NULL)
		gs_session_load(&made->config, &made->session);
	return status;
}

void gs_client_close(GsClient *client)
{
	if (client == NULL)
		return;
	gs_http_close(client->http);
	gs_key_free(client->key);
	gs_session_free(&client->session);
	gs_config_free(&client->config);
	free(client);
}

const GsClientError *gs_client_error(const GsClient *client)
{
	static const GsClientError NO_MEMORY = {
		.status = GS_CLIENT_NO_MEMORY, .code = "", .message = "out of memory", .hint = "", .request_id = ""};

	return client != NULL ? &client->box.error : &NO_MEMORY;
}

const char *gs_client_version(void)
{
	return GS_VERSION;
}

/* The key of this home, made if there is none; *existed tells which. */
static int key_for_enrolment(GsClient *client, bool *existed)
{
	int status = gs_file_make_directory(client->config.config_directory, &client->box);

	*existed = true;
	if (status == GS_CLIENT_OK && client->key == NULL)
		status = gs_key_load(client->config.key_file, &client->key, &client->box);
	if (status == GS_CLIENT_OK && client->key == NULL) {
		*existed = false;
		status = gs_key_create(client->config.key_file, &client->key, &client->box);
	}
	return status;
}

static int send_enrolment(GsClient *client, const char *identifier, const char *code, json_t **reply)
{
	char public_key[GS_KEY_PUBLIC_TEXT];
	int status = gs_key_public(client->key, public_key, &client->box);
	json_t *body;

	if (status != GS_CLIENT_OK)
		return status;
	body = json_pack("{s:s, s:s, s:s}", "terminal", identifier, "code", code, "public_key", public_key);
	return gs_session_post(client, "/v1/enroll", body, false, reply);
}

/* config.terminal := identifier (a copy), the session of another one is forgotten. */
static int set_terminal(GsClient *client, const char *identifier)
{
	char *copy = strdup(identifier);

	if (copy == NULL)
		return gs_error_memory(&client->box);
	free(client->config.terminal);
	client->config.terminal = copy;
	gs_session_free(&client->session);
	return GS_CLIENT_OK;
}

/*
 * The code was refused, but the key is older than this call: the earlier enrolment may have got through and its answer
 * been lost. Then connecting works.
 */
static int recover_enrolment(GsClient *client, const char *identifier, json_t **reply)
{
	json_t *connected = NULL;
	int status = set_terminal(client, identifier);

	if (status == GS_CLIENT_OK)
		status = gs_client_connect(client, &connected);
	if (status == GS_CLIENT_OK)
		*reply = json_pack("{s:O, s:O}", "terminal", json_object_get(connected, "terminal"), "server",
						   json_object_get(connected, "server"));
	json_decref(connected);
	return status;
}

int gs_client_enroll(GsClient *client, const char *identifier, const char *code, json_t **reply)
{
	json_t *answer = NULL;
	bool enrolled = client->config.terminal != NULL;
	const char *confirmed;
	bool existed;
	int status;

	if (reply != NULL)
		*reply = NULL;
	if (enrolled && strcasecmp(client->config.terminal, identifier) != 0)
		return gs_error_set(&client->box, GS_CLIENT_CONFLICT,
							"Be another terminal in a directory of its own: --home DIR or GROUPSHARE_HOME.",
							"this home already belongs to %s", client->config.terminal);
	status = key_for_enrolment(client, &existed);
	if (status == GS_CLIENT_OK)
		status = send_enrolment(client, identifier, code, &answer);
	if (status == GS_CLIENT_DENIED && existed) {
		GsErrorBox refusal = client->box;

		if (recover_enrolment(client, identifier, &answer) != GS_CLIENT_OK) {
			gs_error_restore(&client->box, &refusal);
			if (!enrolled) {
				free(client->config.terminal);
				client->config.terminal = NULL;
			}
			return GS_CLIENT_DENIED;
		}
		status = GS_CLIENT_OK;
	}
	if (status != GS_CLIENT_OK)
		return status;
	/* The server's spelling (lower case) is the one to keep. */
	confirmed = json_string_value(json_object_get(answer, "terminal"));
	status = set_terminal(client, confirmed != NULL ? confirmed : identifier);
	if (status == GS_CLIENT_OK)
		status = gs_config_save(&client->config, &client->box);
	if (status != GS_CLIENT_OK) {
		json_decref(answer);
		return status;
	}
	return gs_session_answer(client, answer, reply);
}

int gs_client_whoami(GsClient *client, json_t **reply)
{
	const GsConfig *config = &client->config;
	char public_key[GS_KEY_PUBLIC_TEXT];
	const char *terminal;
	json_t *session;
	int status = gs_session_terminal(client, &terminal);

	if (reply != NULL)
		*reply = NULL;
	if (status == GS_CLIENT_OK)
		status = gs_session_key(client);
	if (status == GS_CLIENT_OK)
		status = gs_key_public(client->key, public_key, &client->box);
	if (status != GS_CLIENT_OK)
		return status;
	session = client->session.token == NULL
				  ? json_null()
				  : json_pack("{s:s, s:s}", "server", client->session.server, "expires_at", client->session.expires_at);
	return gs_session_answer(client,
							 json_pack("{s:s, s:s?, s:s?, s:s, s:s, s:s, s:s, s:o}", "terminal", terminal, "url",
									   config->url, "ca", config->ca, "config_directory", config->config_directory,
									   "state_directory", config->state_directory, "key_file", config->key_file,
									   "public_key", public_key, "session", session),
							 reply);
}
