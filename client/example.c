/* SPDX-License-Identifier: PostgreSQL */
/*
 * The program of libgroupshare(3): shares a file with all groups of this terminal, then lists what it shares.
 * Build it with: cc example.c $(pkg-config --cflags --libs libgroupshare)
 */
#include "groupshare.h"
#include <stdio.h>

static int failed(const GsClient *client)
{
	const GsClientError *error = gs_client_error(client);

	fprintf(stderr, "%s\n%s\n", error->message, error->hint);
	return 1;
}

int main(int argc, char **argv)
{
	GsClient *client;
	json_t *reply;
	json_t *share;
	size_t i;
	int result = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: %s FILE\n", argv[0]);
		return 2;
	}
	if (gs_client_open(NULL, &client) != GS_CLIENT_OK ||
		gs_client_put(client, &(GsClientPut){.path = argv[1]}, NULL) != GS_CLIENT_OK ||
		gs_client_shares(client, &reply) != GS_CLIENT_OK) {
		result = failed(client);
	} else {
		json_array_foreach(json_object_get(reply, "shares"), i, share)
			printf("%s\n", json_string_value(json_object_get(share, "name")));
		json_decref(reply);
	}
	gs_client_close(client);
	return result;
}
