/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/settings.o daemon/settings.o daemon/settings_common.o daemon/cors.o */
/* libs: inih */
/* The settings file of a storage device; what is read is dumped, and a password is not in it. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "storaged/settings.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	GsStorageSettings settings = {0};
	char path[64], error[256] = "", *dump = NULL;
	size_t dump_size = 0;
	int file = memfd_create("settings", 0);

	FUZZ_CHECK(file >= 0 && write(file, bytes, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (gs_settings_load(&gs_storage_settings, path, &settings, error, sizeof(error)) == 0) {
		FILE *out = open_memstream(&dump, &dump_size);

		FUZZ_CHECK(out != NULL && settings.control_count > 0 && settings.control_count <= GS_CONTROL_MAX);
		gs_settings_dump(&gs_storage_settings, &settings, out);
		FUZZ_CHECK(fclose(out) == 0);
		for (size_t i = 0; i < settings.control_count; i++) {
			char shown[GS_CONNINFO_MAX + 32];

			snprintf(shown, sizeof(shown), "\nconninfo = %s\n", settings.controls[i].conninfo);
			FUZZ_CHECK(strstr(shown, "password") == NULL || strstr(dump, shown) == NULL);
		}
		free(dump);
	} else {
		FUZZ_CHECK(error[0] != '\0');
	}
	gs_settings_free(&gs_storage_settings, &settings);
	close(file);
	return 0;
}
