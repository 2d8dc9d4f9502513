/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/call.o storaged/codec.o storaged/uuid.o daemon/json_text.o */
/* libs: jansson libcrypto */
/* What a control server answers a storage device. */
#include "storaged/call.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static GsReply reply;
	char *text = fuzz_text(bytes, size);

	if (gs_reply_parse_announce(text, &reply))
		FUZZ_CHECK(reply.key_count <= GS_TICKET_KEYS_MAX && reply.work_count <= GS_WORK_MAX);
	if (gs_reply_parse_report(text, &reply))
		FUZZ_CHECK(reply.key_count <= GS_TICKET_KEYS_MAX && reply.work_count <= GS_WORK_MAX);
	free(text);
	return 0;
}
