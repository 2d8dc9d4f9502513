/* SPDX-License-Identifier: PostgreSQL */
/* An upload's progress; see offset.h. */
#include "storaged/offset.h"

#include <assert.h>

GsOffset gs_offset_at(uint64_t size, uint64_t at)
{
	assert(at <= size);
	return (GsOffset){.size = size, .received = at, .written = at};
}

bool gs_offset_receive(GsOffset *offset, uint64_t bytes)
{
	if (bytes > offset->size - offset->received)
		return false;
	offset->received += bytes;
	return true;
}

void gs_offset_write(GsOffset *offset, uint64_t bytes)
{
	assert(bytes <= offset->received - offset->written);
	offset->written += bytes;
}

bool gs_offset_full(const GsOffset *offset)
{
	return offset->received == offset->size;
}

bool gs_offset_settled(const GsOffset *offset)
{
	return offset->written == offset->received;
}
