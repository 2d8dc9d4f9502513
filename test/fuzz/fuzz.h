/* SPDX-License-Identifier: PostgreSQL */
/* What the fuzz targets share: the input as a text that ends where it ends, so that a read beyond it is found. */
#ifndef GS_FUZZ_H
#define GS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* malloc'd, of exactly its length and a zero. */
static inline char *fuzz_text(const uint8_t *bytes, size_t size)
{
	char *text = malloc(size + 1);

	if (text == NULL)
		abort();
	if (size > 0)
		memcpy(text, bytes, size);
	text[size] = '\0';
	return text;
}

/* Cuts what is before the next line feed off; the last part is cut off by the end. */
static inline char *fuzz_line(const uint8_t **bytes, size_t *size)
{
	const uint8_t *end = *size > 0 ? memchr(*bytes, '\n', *size) : NULL;
	size_t length = end != NULL ? (size_t)(end - *bytes) : *size;
	char *text = fuzz_text(*bytes, length);

	*bytes += length + (end != NULL);
	*size -= length + (end != NULL);
	return text;
}

#define FUZZ_CHECK(condition) \
	do {                      \
		if (!(condition))     \
			abort();          \
	} while (0)

#endif
