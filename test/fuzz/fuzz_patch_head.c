/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/patch_head.o storaged/codec.o storaged/digest_field.o storaged/structured.o */
/* libs: libcrypto */
/* The header fields of a resumable upload, one a line; an empty line is an absent field. */
#include "storaged/patch_head.h"
#include "storaged/codec.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *lines[8];
	GsPatchFields fields;
	GsPatchHead head;

	for (size_t i = 0; i < 8; i++) {
		lines[i] = fuzz_line(&bytes, &size);
		if (lines[i][0] == '\0') {
			free(lines[i]);
			lines[i] = NULL;
		}
	}
	fields = (GsPatchFields){lines[0], lines[1], lines[2], lines[3], lines[4], lines[5], lines[6], lines[7]};
	if (gs_patch_read_protocol(&fields, &head) == GS_PATCH_OK && gs_patch_read_head(&fields, &head) == GS_PATCH_OK)
		FUZZ_CHECK(head.offset <= (uint64_t)GS_SIZE_MAX);
	for (size_t i = 0; i < 8; i++)
		free(lines[i]);
	return 0;
}
