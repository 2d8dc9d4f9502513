/* SPDX-License-Identifier: PostgreSQL */
/* The header fields of a resumable upload; see patch_head.h. */
#include "storaged/patch_head.h"

#include <string.h>
#include <strings.h>

#include "storaged/codec.h"

#define OFFSET_DIGITS 16 /* of 2^53 - 1 */

/* Digits only: neither protocol knows a sign. */
static bool read_number(const char *text, uint64_t *number)
{
	size_t size = text != NULL ? strnlen(text, OFFSET_DIGITS + 1) : 0;

	if (size == 0 || size > OFFSET_DIGITS || strspn(text, "0123456789") != size)
		return false;
	*number = 0;
	for (size_t i = 0; i < size; i++)
		*number = *number * 10 + (uint64_t)(text[i] - '0');
	return *number <= (uint64_t)GS_SIZE_MAX;
}

GsPatchError gs_patch_read_protocol(const GsPatchFields *fields, GsPatchHead *head)
{
	uint64_t version;

	*head = (GsPatchHead){0};
	if (read_number(fields->interop, &version) && (version == 8 || version == 9))
		head->interop = (int)version;
	head->tus = fields->tus_resumable != NULL;
	return head->tus && strcmp(fields->tus_resumable, "1.0.0") != 0 ? GS_PATCH_TUS_VERSION : GS_PATCH_OK;
}

static bool is_type(const char *value, const char *type)
{
	size_t size = strlen(type);

	return value != NULL && strncasecmp(value, type, size) == 0 && strchr("; \t", value[size]) != NULL;
}

/* tus: the algorithm's name, a space, the sum in base64. */
static bool read_checksum(const char *value, GsPatchHead *head)
{
	const char *space = strchr(value, ' ');
	size_t name_size = space != NULL ? (size_t)(space - value) : 0;
	ssize_t size;

	if (name_size == 4 && memcmp(value, "sha1", 4) == 0)
		head->checksum = EVP_sha1();
	else if (name_size == 6 && memcmp(value, "sha256", 6) == 0)
		head->checksum = EVP_sha256();
	if (head->checksum == NULL)
		return false;
	size = gs_base64_decode(space + 1, head->sum, sizeof(head->sum));
	return size == EVP_MD_get_size(head->checksum);
}

GsPatchError gs_patch_read_head(const GsPatchFields *fields, GsPatchHead *head)
{
	bool is_tus = is_type(fields->content_type, "application/offset+octet-stream");

	if (!is_tus && (head->tus || !is_type(fields->content_type, "application/partial-upload")))
		return GS_PATCH_CONTENT_TYPE;
	if (!read_number(fields->offset, &head->offset))
		return GS_PATCH_OFFSET;
	if (fields->complete != NULL && strcmp(fields->complete, "?1") == 0)
		head->complete = GS_COMPLETE_YES;
	else if (fields->complete != NULL && strcmp(fields->complete, "?0") == 0)
		head->complete = GS_COMPLETE_NO;
	else if (fields->complete != NULL)
		return GS_PATCH_COMPLETE;
	/* RFC 9651: a field that is not what it should be is none. */
	head->has_length = read_number(fields->length, &head->length);
	if (fields->checksum != NULL && !read_checksum(fields->checksum, head))
		return GS_PATCH_CHECKSUM;
	return GS_PATCH_OK;
}
