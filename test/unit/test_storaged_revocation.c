/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/revocation.o storaged/clock.o storaged/uuid.o */
/* libs: cmocka */
/* Which tickets a device refuses after revocations, and that the table of them is bounded without letting any through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "storaged/revocation.h"

#define S INT64_C(1000000)
static GsClock theirs = {.known = true};

static GsUuid uuid(unsigned n)
{
	char text[64];
	GsUuid id;

	snprintf(text, sizeof(text), "%08x-1111-4222-8333-444444444444", n * 2654435761u);
	assert_true(gs_uuid_parse(text, &id));
	return id;
}

static GsTicket ticket(unsigned server, unsigned terminal, unsigned object, int64_t issued_s)
{
	return (GsTicket){.server = uuid(server), .terminal = uuid(terminal), .object = uuid(object), .issued_s = issued_s};
}

static bool covered(const GsRevocations *revocations, unsigned server, unsigned terminal, unsigned object,
					int64_t issued_s)
{
	GsTicket asked = ticket(server, terminal, object, issued_s);

	return gs_revocation_covers(revocations, &asked);
}

static void test_scope(void **state)
{
	static GsRevocations revocations;
	const GsRevocation terminal = {.server = uuid(1),
								   .clock = &theirs,
								   .has_terminal = true,
								   .terminal = uuid(2),
								   .before_s = 100,
								   .until_s = 200};
	const GsRevocation object = {
		.server = uuid(1), .clock = &theirs, .has_object = true, .object = uuid(3), .before_s = 100, .until_s = 200};
	const GsRevocation both = {.server = uuid(1),
							   .clock = &theirs,
							   .has_terminal = true,
							   .terminal = uuid(4),
							   .has_object = true,
							   .object = uuid(5),
							   .before_s = 100,
							   .until_s = 200};
	GsRevocation later = terminal;

	(void)state;
	assert_false(covered(&revocations, 1, 2, 9, 50));
	assert_true(gs_revocation_add(&revocations, &terminal, 0));
	assert_true(gs_revocation_add(&revocations, &object, 0));
	assert_true(gs_revocation_add(&revocations, &both, 0));
	assert_true(covered(&revocations, 1, 2, 9, 100));
	assert_false(covered(&revocations, 1, 2, 9, 101)); /* issued since */
	assert_false(covered(&revocations, 7, 2, 9, 100)); /* another control server's */
	assert_true(covered(&revocations, 1, 9, 3, 100));
	assert_false(covered(&revocations, 1, 3, 9, 100)); /* a terminal is no object */
	assert_true(covered(&revocations, 1, 4, 5, 100));
	assert_false(covered(&revocations, 1, 4, 9, 100));
	assert_false(covered(&revocations, 1, 9, 5, 100));
	later.before_s = 150;
	assert_true(gs_revocation_add(&revocations, &later, 0));
	assert_int_equal(revocations.count, 3); /* told again */
	assert_true(covered(&revocations, 1, 2, 9, 150));
	assert_true(gs_revocation_add(&revocations, &terminal, 0)); /* an older one takes nothing back */
	assert_true(covered(&revocations, 1, 2, 9, 150));
	gs_revocation_free(&revocations);
}

static void test_full(void **state)
{
	static GsRevocations revocations;
	GsRevocation told = {.server = uuid(1), .clock = &theirs, .has_terminal = true, .before_s = 100, .until_s = 200};

	(void)state;
	for (unsigned i = 0; i < GS_REVOCATIONS_MAX; i++) {
		told.terminal = uuid(i + 10);
		assert_true(gs_revocation_add(&revocations, &told, 150 * S));
	}
	assert_int_equal(revocations.count, GS_REVOCATIONS_MAX);
	assert_false(covered(&revocations, 1, 5, 9, 100));
	told.terminal = uuid(5);
	assert_true(gs_revocation_add(&revocations, &told, 150 * S));
	assert_true(covered(&revocations, 1, 5, 9, 100));
	assert_true(covered(&revocations, 1, 6, 9, 100)); /* refused with it: better than letting it through */
	assert_false(covered(&revocations, 1, 6, 9, 101));
	assert_false(covered(&revocations, 2, 6, 9, 100));
	/* Those whose time is over make room. */
	told.terminal = uuid(7);
	told.until_s = 1000;
	gs_clock_set(&theirs, 150 * S, 300 * S); /* by the clock of who said so, that is */
	assert_true(gs_revocation_add(&revocations, &told, 300 * S));
	assert_int_equal(revocations.count, GS_REVOCATIONS_MAX);
	gs_clock_set(&theirs, 300 * S, 300 * S);
	assert_true(gs_revocation_add(&revocations, &told, 300 * S));
	assert_int_equal(revocations.count, 1);
	gs_revocation_free(&revocations);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_scope), cmocka_unit_test(test_full)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
