/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/progress.o storaged/disk.o storaged/codec.o storaged/uuid.o daemon/json_text.o */
/* libs: jansson libcrypto */
/* The record of an unfinished upload, as a disk may have it. */
#include "storaged/progress.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *text = fuzz_text(bytes, size);
	GsProgress progress;

	if (gs_progress_decode(text, size, &progress) == 0)
		FUZZ_CHECK(progress.offset_bytes <= progress.size_bytes && progress.size_bytes <= (uint64_t)GS_SIZE_MAX);
	free(text);
	return 0;
}
