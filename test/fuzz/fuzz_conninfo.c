/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/conninfo.o */
/* libs: libpq */
/* Connection strings. Names are resolved by the two functions here, never by asking a network. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include "storaged/conninfo.h"
#include "test/fuzz/fuzz.h"

int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
				struct addrinfo **restrict found)
{
	static struct sockaddr_in address = {.sin_family = AF_INET};
	static struct addrinfo infos[20];
	size_t count = strlen(node) % 20;

	(void)service, (void)hints;
	for (size_t i = 0; i < count; i++)
		infos[i] = (struct addrinfo){.ai_addr = (struct sockaddr *)&address,
									 .ai_addrlen = sizeof(address),
									 .ai_family = AF_INET,
									 .ai_next = i + 1 < count ? &infos[i + 1] : NULL};
	*found = infos;
	return count > 0 ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *found)
{
	(void)found;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static GsConninfo conninfo;
	char *text = fuzz_text(bytes, size);

	if (gs_conninfo_resolve(&conninfo, text) == 0) {
		size_t count = 0;

		while (conninfo.keywords[count] != NULL)
			count++;
		FUZZ_CHECK(count <= GS_CONNINFO_OPTIONS_MAX && conninfo.values[count] == NULL);
	} else {
		FUZZ_CHECK(conninfo.error[0] != '\0');
	}
	gs_conninfo_clear(&conninfo);
	free(text);
	return 0;
}
