/* SPDX-License-Identifier: PostgreSQL */
/* objects: extension/choice.o */
/* libs: cmocka */
/*
 * The rule of placement: classes of room, the size of a ring from a sample, preference, and draws by weight.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "extension/choice.h"

static uint64_t random_state = 1;

static double draw(void *unused)
{
	(void)unused;
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (double)(random_state >> 11) / 9007199254740992.0;
}

static void classes(void **state)
{
	(void)state;
	assert_int_equal(gs_choice_class(INT64_MIN), GS_CHOICE_CLOSED);
	assert_int_equal(gs_choice_class(0), GS_CHOICE_CLOSED);
	assert_int_equal(gs_choice_class(1), 0);
	assert_int_equal(gs_choice_class(INT64_MAX), 62);
	for (int k = 1; k < 63; k++) {
		assert_int_equal(gs_choice_class((int64_t)1 << k), k);
		assert_int_equal(gs_choice_class(((int64_t)1 << k) - 1), k - 1);
	}
}

static void kept_class(void **state)
{
	(void)state;
	assert_int_equal(gs_choice_next_class(10, 1000), 10); /* 9, one lower: kept */
	assert_int_equal(gs_choice_next_class(10, 500), 8);
	assert_int_equal(gs_choice_next_class(8, 1000), 9); /* never too low */
	assert_int_equal(gs_choice_next_class(0, 0), GS_CHOICE_CLOSED);
	assert_int_equal(gs_choice_next_class(GS_CHOICE_CLOSED, 1), 0);
}

static void population(void **state)
{
	static const int32_t few[] = {5, -7, 900};
	double total = 0;

	(void)state;
	assert_true(gs_choice_population(few, 3, 10, 0) == 3);
	assert_true(gs_choice_population(few, 0, 10, 0) == 0);
	/* The first ten of 5,000 from a random place on: right on the average, whatever the start. */
	for (int round = 0; round < 400; round++) {
		int32_t start = (int32_t)((draw(NULL) - 0.5) * GS_CHOICE_RING);
		int32_t places[10];
		uint32_t walked = 0;

		for (int i = 0; i < 10; i++) {
			walked += (uint32_t)(-log(1 - draw(NULL)) * GS_CHOICE_RING / 5000);
			places[i] = (int32_t)((uint32_t)start + walked);
		}
		total += gs_choice_population(places, 10, 10, start);
	}
	assert_in_range((int)(total / 400), 4500, 5500);
}

static void preference(void **state)
{
	(void)state;
	assert_true(gs_choice_preference(0, -1) > gs_choice_preference(1, 0));
	assert_true(gs_choice_preference(2, 5) > gs_choice_preference(2, 50));
	assert_true(gs_choice_preference(2, 5) == gs_choice_preference(2, 6));
	assert_true(gs_choice_preference(2, 20037) > gs_choice_preference(2, -1));
	assert_true(fabs(gs_choice_kilometres(52.52, 13.405, 48.8566, 2.3522) - 878) < 3);
	assert_true(gs_choice_kilometres(0, 179.5, 0, -179.5) < 112);
}

static void order(void **state)
{
	int first[4] = {0};

	(void)state;
	for (int round = 0; round < 4000; round++) {
		GsOption options[] = {{.preference = -2, .weight = 1e12, .subject = &first[0]},
							  {.preference = 0, .weight = 1, .subject = &first[1]},
							  {.preference = 0, .weight = 3, .subject = &first[2]},
							  {.preference = 5, .weight = 9, .refused = true, .subject = &first[3]}};

		gs_choice_order(options, 4, 4, draw, NULL);
		(*(int *)options[0].subject)++;
		assert_true(options[3].subject == &first[3]); /* refused: last, whatever it is worth */
		assert_true(options[2].subject == &first[0]);
		assert_true(fabs(options[0].score + options[1].score - 1) < 1e-12);
		assert_true(options[2].score == 0 && options[3].score == 0);
	}
	assert_in_range(first[2], 2850, 3150);
	assert_int_equal(first[1] + first[2], 4000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(classes), cmocka_unit_test(kept_class),
											  cmocka_unit_test(population), cmocka_unit_test(preference),
											  cmocka_unit_test(order)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
