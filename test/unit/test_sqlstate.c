/* SPDX-License-Identifier: PostgreSQL */
/* objects: gateway/sqlstate.o */
/* libs: cmocka */
/* Every row of doc/contracts.md section 6 by its number, and that nothing else gets through as ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/sqlstate.h"

static void expect(const char *sqlstate, int status, const char *code)
{
	const GsSqlstate *row = gs_sqlstate_find(sqlstate);

	assert_int_equal(row->status, status);
	assert_string_equal(row->code, code);
}

/* The contract's own table: lines "| GS001 | 401 | connection_failed |". */
static void contract_rows(void **state)
{
	FILE *contracts = fopen("doc/contracts.md", "r");
	char line[4096], sqlstate[6], code[64];
	int status, rows = 0;

	(void)state;
	assert_non_null(contracts);
	while (fgets(line, sizeof line, contracts)) {
		if (sscanf(line, "| %5[GS0-9] | %d | %63[a-z_] |", sqlstate, &status, code) != 3)
			continue;
		expect(sqlstate, status, code);
		assert_null(gs_sqlstate_find(sqlstate)->text);
		rows++;
	}
	fclose(contracts);
	assert_true(rows >= 25);
}

/* extension/errcodes.h: each SQLSTATE that can be raised has a row of its own. */
static void extension_codes(void **state)
{
	FILE *errcodes = fopen("extension/errcodes.h", "r");
	char line[4096], c[6] = "";
	int rows = 0;

	(void)state;
	assert_non_null(errcodes);
	while (fgets(line, sizeof line, errcodes)) {
		if (sscanf(line, "#define GS_ERR_%*s MAKE_SQLSTATE('%c', '%c', '%c', '%c', '%c')", &c[0], &c[1], &c[2], &c[3],
				   &c[4]) != 5)
			continue;
		assert_string_equal(gs_sqlstate_find(c)->prefix, c);
		rows++;
	}
	fclose(errcodes);
	assert_true(rows >= 25);
}

static void others(void **state)
{
	(void)state;
	expect("22P02", 400, "invalid_parameter");
	expect("22023", 400, "invalid_parameter");
	expect("40001", 503, "try_again");
	expect("40P01", 503, "try_again");
	expect("55P03", 503, "try_again");
	expect("57014", 503, "try_again");
	expect("25006", 503, "unavailable");
	expect("57P01", 503, "unavailable");
	expect("57P03", 503, "unavailable");
	expect("08006", 503, "unavailable");
	expect("53300", 503, "unavailable");
	expect("40003", 500, "internal");
	expect("42501", 500, "internal");
	expect("XX000", 500, "internal");
	expect("GS999", 500, "internal");
	expect("", 500, "internal");
	assert_non_null(gs_sqlstate_find("42501")->text);
}

static void retry_after(void **state)
{
	static const char *const all[] = {"GS022", "GS023", "GS025", "GS026", "40001",
									  "57014", "57P01", "08006", "53300", "25006"};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		assert_true(gs_sqlstate_find(all[i])->retry_after_s > 0);
	assert_int_equal(gs_sqlstate_find("GS012")->retry_after_s, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(contract_rows), cmocka_unit_test(extension_codes),
									   cmocka_unit_test(others), cmocka_unit_test(retry_after)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
