/* SPDX-License-Identifier: PostgreSQL */
/* objects: gateway/route_token.o daemon/json_text.o */
/* libs: jansson */
/* Where the gateway sends a session that nobody has verified yet. */
#include "gateway/route_token.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *session = fuzz_text(bytes, size);
	GsRouteToken token;

	if (gs_route_token_read(session, &token) == 0)
		FUZZ_CHECK(token.server[0] != '\0' && strlen(token.server) < sizeof token.server &&
				   (token.terminal[0] == '\0' || strlen(token.terminal) == 36));
	free(session);
	return 0;
}
