/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/range.o storaged/condition.o */
/* Range and conditions: a range lies within the object. The first line is the field, the second the size. */
#include "storaged/condition.h"
#include "storaged/range.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *field = fuzz_line(&bytes, &size), *number = fuzz_line(&bytes, &size), *other = fuzz_line(&bytes, &size);
	uint64_t object = strtoull(number, NULL, 10);
	GsRange range;
	GsRangeKind kind = gs_range_parse(field, object, &range);

	if (kind == GS_RANGE_PART)
		FUZZ_CHECK(range.size > 0 && range.offset < object && range.size <= object - range.offset);
	if (kind == GS_RANGE_WHOLE)
		FUZZ_CHECK(range.offset == 0 && range.size == object);
	(void)gs_condition_evaluate(field, other, "\"0123456789abcdef\"");
	(void)gs_condition_range(field, "\"0123456789abcdef\"");
	free(field);
	free(number);
	free(other);
	return 0;
}
