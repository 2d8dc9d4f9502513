/* SPDX-License-Identifier: PostgreSQL */
/* The header fields of a resumable upload; see patch_head.h. */
#include "storaged/patch_head.h"

#include <string.h>
#include <strings.h>

#include "storaged/codec.h"
#include "storaged/digest_field.h"
#include "storaged/structured.h"

/* RFC 9651: a field that is not what it should be is none. */
static bool read_number(const char *field, uint64_t *number)
{
	GsItem item;

	if (gs_structured_item(field, &item) != GS_STRUCTURED_FOUND || item.type != GS_ITEM_INTEGER || item.number < 0 ||
		item.number > GS_SIZE_MAX)
		return false;
	*number = (uint64_t)item.number;
	return true;
}

static GsPatchComplete read_complete(const char *field)
{
	GsItem item;

	if (gs_structured_item(field, &item) != GS_STRUCTURED_FOUND || item.type != GS_ITEM_BOOLEAN)
		return GS_COMPLETE_UNSAID;
	return item.number != 0 ? GS_COMPLETE_YES : GS_COMPLETE_NO;
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

static GsPatchError read_content_digest(const char *field, GsPatchHead *head)
{
	switch (gs_digest_field_parse(field, head->sum)) {
	case GS_DIGEST_FIELD_MALFORMED:
		return GS_PATCH_CONTENT_DIGEST;
	case GS_DIGEST_FIELD_FOUND:
		head->checksum = EVP_sha256();
		head->is_content_digest = true;
		break;
	case GS_DIGEST_FIELD_NONE:
		break;
	}
	return GS_PATCH_OK;
}

GsPatchError gs_patch_read_head(const GsPatchFields *fields, GsPatchHead *head)
{
	bool is_tus = is_type(fields->content_type, "application/offset+octet-stream");

	if (!is_tus && (head->tus || !is_type(fields->content_type, "application/partial-upload")))
		return GS_PATCH_CONTENT_TYPE;
	if (!read_number(fields->offset, &head->offset))
		return GS_PATCH_OFFSET;
	head->complete = read_complete(fields->complete);
	head->has_length = read_number(fields->length, &head->length);
	if (fields->checksum != NULL && !read_checksum(fields->checksum, head))
		return GS_PATCH_CHECKSUM;
	/* One sum over a body is enough: that of tus, when both are said. */
	return head->checksum == NULL ? read_content_digest(fields->content_digest, head) : GS_PATCH_OK;
}
