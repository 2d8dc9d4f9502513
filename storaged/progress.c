/* SPDX-License-Identifier: PostgreSQL */
/* The record of an unfinished upload; see progress.h. */
#include "storaged/progress.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "storaged/fault.h"
#include "daemon/json_text.h"

static void record_name(const GsUuid *object, const char *suffix, char name[GS_DISK_NAME_MAX])
{
	snprintf(name, GS_DISK_NAME_MAX, "%s%s", object->text, suffix);
}

size_t gs_progress_encode(const GsProgress *progress, char text[GS_PROGRESS_MAX_BYTES])
{
	json_t *value = json_pack("{s:s, s:s, s:I, s:I, s:I}", "object", progress->object.text, "server",
							  progress->server.text, "size", (json_int_t)progress->size_bytes, "offset",
							  (json_int_t)progress->offset_bytes, "until", (json_int_t)progress->until_s);
	size_t size = 0;

	if (value != NULL)
		size = json_dumpb(value, text, GS_PROGRESS_MAX_BYTES - 1, 0);
	json_decref(value);
	if (size > GS_PROGRESS_MAX_BYTES - 1)
		return 0;
	text[size] = '\0';
	return size;
}

int gs_progress_decode(const char *text, size_t size, GsProgress *progress)
{
	int error;
	json_t *value = gs_json_text_read(text, size, &error);
	const json_t *bytes = json_object_get(value, "size"), *offset = json_object_get(value, "offset");
	const json_t *until = json_object_get(value, "until");
	bool good = gs_uuid_parse(json_string_value(json_object_get(value, "object")), &progress->object) &&
				gs_uuid_parse(json_string_value(json_object_get(value, "server")), &progress->server) &&
				json_is_integer(bytes) && json_is_integer(offset) && json_is_integer(until) &&
				json_integer_value(offset) >= 0 && json_integer_value(offset) <= json_integer_value(bytes) &&
				json_integer_value(bytes) <= GS_SIZE_MAX;

	if (good) {
		progress->size_bytes = (uint64_t)json_integer_value(bytes);
		progress->offset_bytes = (uint64_t)json_integer_value(offset);
		progress->until_s = json_integer_value(until);
	}
	json_decref(value);
	return good || error != 0 ? error : -EBADMSG;
}

int gs_progress_write(const GsDisk *disk, const GsProgress *progress)
{
	char text[GS_PROGRESS_MAX_BYTES], fresh[GS_DISK_NAME_MAX], name[GS_DISK_NAME_MAX];
	size_t size = gs_progress_encode(progress, text);
	int error;

	if (size == 0)
		return -ENOMEM;
	record_name(&progress->object, ".next", fresh);
	record_name(&progress->object, ".part", name);
	error = gs_disk_write_small(disk->staging, fresh, text, size);
	gs_fault_exit("progress_written");
	if (error == 0)
		error = gs_disk_publish(disk->staging, fresh, disk->staging, name);
	gs_fault_exit("after_progress");
	return error;
}

int gs_progress_read(const GsDisk *disk, const GsUuid *object, GsProgress *progress)
{
	char text[GS_PROGRESS_MAX_BYTES], name[GS_DISK_NAME_MAX];
	ssize_t size;
	int error;

	record_name(object, ".part", name);
	size = gs_disk_read_small(disk->staging, name, text, sizeof(text));
	if (size < 0)
		return (int)size;
	error = gs_progress_decode(text, (size_t)size, progress);
	return error != 0 || gs_uuid_equal(&progress->object, object) ? error : -EBADMSG;
}

int gs_progress_remove(const GsDisk *disk, const GsUuid *object, bool durably)
{
	char fresh[GS_DISK_NAME_MAX], name[GS_DISK_NAME_MAX];
	int error;

	record_name(object, ".next", fresh);
	record_name(object, ".part", name);
	error = gs_disk_unlink(disk->staging, fresh);
	if (error != 0)
		return error;
	if (unlinkat(disk->staging, name, 0) != 0)
		return errno == ENOENT ? 0 : -errno;
	return durably ? gs_disk_sync(disk->staging) : 0;
}
