/* SPDX-License-Identifier: PostgreSQL */
/* objects: client/compose.o */
/* libs: cmocka libutf8proc */
/* Names as different systems hand them out, in the one form that the control server takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "client/compose.h"

static void vectors(void **state)
{
	static const struct {
		const char *text;
		const char *composed;
	} vector[] = {
		{"", ""},
		{"film.mkv", "film.mkv"},
		{"e\xcc\x81", "\xc3\xa9"},
		{"\xc3\xa9", "\xc3\xa9"},
		{"\xe2\x84\xab", "\xc3\x85"},                             /* the sign of the angstrom unit */
		{"\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c"}, /* Hangul by its parts */
		{"q\xcc\x87\xcc\xa3", "q\xcc\xa3\xcc\x87"},               /* marks get their order */
		{"\xef\xac\x81", "\xef\xac\x81"},                         /* a ligature is no other form of its letters */
		{"e\xcc\x81\xff", "e\xcc\x81\xff"},                       /* no UTF-8 */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(vector) / sizeof(vector[0]); i++) {
		char *composed = gs_compose(vector[i].text);

		assert_non_null(composed);
		assert_string_equal(composed, vector[i].composed);
		free(composed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
