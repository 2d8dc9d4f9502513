/* SPDX-License-Identifier: PostgreSQL */
/* Resolves the hosts of a connection string; see conninfo.h. */
#include "storaged/conninfo.h"

#include <libpq-fe.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct Lists {
	GsConninfo *conninfo;
	size_t hosts_used, addresses_used, ports_used;
	int count;
} Lists;

void gs_conninfo_clear(GsConninfo *conninfo)
{
	PQconninfoFree(conninfo->options);
	conninfo->options = NULL;
}

static bool append(char *list, size_t *used, bool first, const char *text, size_t size)
{
	if (*used + size + 2 > GS_CONNINFO_LIST_MAX)
		return false;
	if (!first)
		list[(*used)++] = ',';
	memcpy(list + *used, text, size);
	*used += size;
	list[*used] = '\0';
	return true;
}

/* One attempt that libpq shall make: host (for certificates and .pgpass), address ("" for a socket), port. */
static bool add_target(Lists *lists, const char *host, const char *address, const char *port, size_t port_size)
{
	GsConninfo *conninfo = lists->conninfo;
	bool first = lists->count == 0;

	if (lists->count == GS_CONNINFO_HOSTS_MAX ||
		!append(conninfo->hosts, &lists->hosts_used, first, host, strlen(host)) ||
		!append(conninfo->addresses, &lists->addresses_used, first, address, strlen(address)) ||
		!append(conninfo->ports, &lists->ports_used, first, port, port_size))
		return false;
	lists->count++;
	return true;
}

/* A name that can't be resolved is left out: the others of the list may do. */
static bool add_host(Lists *lists, const char *host, const char *port, size_t port_size)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
	bool good = true;
	int error;

	if (host[0] == '\0' || host[0] == '/' || host[0] == '@')
		return add_target(lists, host, "", port, port_size);
	error = getaddrinfo(host, NULL, &hints, &found);
	if (error != 0) {
		snprintf(lists->conninfo->error, sizeof(lists->conninfo->error), "host %.100s: %s", host, gai_strerror(error));
		return true;
	}
	for (struct addrinfo *at = found; at != NULL && good; at = at->ai_next) {
		char address[NI_MAXHOST];

		if (getnameinfo(at->ai_addr, at->ai_addrlen, address, sizeof(address), NULL, 0, NI_NUMERICHOST) == 0)
			good = add_target(lists, host, address, port, port_size);
	}
	freeaddrinfo(found);
	return good;
}

/* Walks "a,b,c" and the ports "1,2,3" (or one for all) side by side. */
static bool resolve_hosts(Lists *lists, const char *hosts, const char *ports)
{
	bool one_port = strchr(ports, ',') == NULL;

	for (;;) {
		char host[NI_MAXHOST];
		size_t size = strcspn(hosts, ","), port_size = strcspn(ports, ",");

		if (size >= sizeof(host))
			return false;
		memcpy(host, hosts, size);
		host[size] = '\0';
		if (!add_host(lists, host, ports, port_size))
			return false;
		if (hosts[size] == '\0')
			return true;
		hosts += size + 1;
		if (!one_port && ports[port_size] == ',')
			ports += port_size + 1;
	}
}

static const char *option_value(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword != NULL; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options->val;
	return NULL;
}

static void copy_options(GsConninfo *conninfo, const PQconninfoOption *options, bool resolved)
{
	size_t count = 0;

	for (; options->keyword != NULL && count < GS_CONNINFO_OPTIONS_MAX - 4; options++) {
		bool ours = strcmp(options->keyword, "host") == 0 || strcmp(options->keyword, "port") == 0;

		if (options->val == NULL || (resolved && ours))
			continue;
		conninfo->keywords[count] = options->keyword;
		conninfo->values[count++] = options->val;
	}
	if (resolved) {
		conninfo->keywords[count] = "host";
		conninfo->values[count++] = conninfo->hosts;
		conninfo->keywords[count] = "hostaddr";
		conninfo->values[count++] = conninfo->addresses;
		conninfo->keywords[count] = "port";
		conninfo->values[count++] = conninfo->ports;
	}
	conninfo->keywords[count] = "fallback_application_name";
	conninfo->values[count++] = "groupshare-storaged";
	conninfo->keywords[count] = conninfo->values[count] = NULL;
}

int gs_conninfo_resolve(GsConninfo *conninfo, const char *text)
{
	Lists lists = {.conninfo = conninfo};
	char *error = NULL;
	PQconninfoOption *options = PQconninfoParse(text, &error);
	const char *hosts, *ports;
	bool resolve;

	memset(conninfo, 0, sizeof(*conninfo));
	if (options == NULL) {
		/* libpq's text quotes what it stumbles over, which may be half of a password. */
		snprintf(conninfo->error, sizeof(conninfo->error), "%s",
				 error != NULL ? "conninfo is malformed: quote values with spaces, as in password='a b'"
							   : "out of memory");
		PQfreemem(error);
		return -1;
	}
	conninfo->options = options;
	hosts = option_value(options, "host");
	ports = option_value(options, "port");
	resolve = hosts != NULL && option_value(options, "hostaddr") == NULL;
	if (resolve && (!resolve_hosts(&lists, hosts, ports != NULL ? ports : "") || lists.count == 0)) {
		if (conninfo->error[0] == '\0')
			snprintf(conninfo->error, sizeof(conninfo->error), "too many hosts or addresses");
		return -1;
	}
	copy_options(conninfo, options, resolve);
	return 0;
}
