/* SPDX-License-Identifier: PostgreSQL */
/*
 * Search keys: a name without case, accents and compatibility forms (NFKD, without combining marks, lower case by the
 * database's locale), and its grams: a number for each run of one, two or three characters, which a GIN index finds
 * parts by, also short ones. Equal grams do not yet mean an equal part; the search compares the keys as well. Both
 * depend on nothing but the text and the database's locale, so that they can stand in generated columns.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "common/unicode_norm.h"
#include "fmgr.h"
#include "lib/qunique.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

#include "name_key.h"

#define GRAM_MAX 3

PG_FUNCTION_INFO_V1(gs_name_key_sql);
PG_FUNCTION_INFO_V1(gs_name_grams);
PG_FUNCTION_INFO_V1(gs_name_part_grams);

/* The blocks of combining diacritical marks. */
static bool is_mark(pg_wchar c)
{
	return (c >= 0x0300 && c <= 0x036f) || (c >= 0x1ab0 && c <= 0x1aff) || (c >= 0x1dc0 && c <= 0x1dff) ||
		   (c >= 0x20d0 && c <= 0x20ff) || (c >= 0xfe20 && c <= 0xfe2f);
}

/* Ended by 0; palloc'd. */
static pg_wchar *widen(const char *text, size_t size)
{
	pg_wchar *wide = palloc(sizeof(*wide) * (size + 1));
	size_t count = 0;

	for (size_t i = 0; i < size; i += pg_utf_mblen((const unsigned char *)text + i))
		wide[count++] = utf8_to_unicode((const unsigned char *)text + i);
	wide[count] = 0;
	return wide;
}

char *gs_name_key(const char *name, size_t size)
{
	pg_wchar *wide = unicode_normalize(UNICODE_NFKD, widen(name, size));
	unsigned char stripped[GS_NAME_KEY_MAX_BYTES + MAX_MULTIBYTE_CHAR_LEN];
	size_t used = 0;
	bool only_marks = true;
	char *key;

	for (const pg_wchar *c = wide; *c != 0 && only_marks; c++)
		only_marks = is_mark(*c);
	for (const pg_wchar *c = wide; *c != 0 && used < GS_NAME_KEY_MAX_BYTES; c++) {
		if (is_mark(*c) && !only_marks)
			continue;
		(void)unicode_to_utf8(*c, stripped + used);
		used += pg_utf_mblen(stripped + used);
	}
	key = str_tolower((char *)stripped, used, DEFAULT_COLLATION_OID);
	key[pg_mbcliplen(key, strlen(key), GS_NAME_KEY_MAX_BYTES)] = '\0';
	return key;
}

Datum gs_name_key_sql(PG_FUNCTION_ARGS)
{
	text *name = PG_GETARG_TEXT_PP(0);

	PG_RETURN_TEXT_P(cstring_to_text(gs_name_key(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name))));
}

static int compare_int32(const void *a, const void *b)
{
	int32 x = *(const int32 *)a, y = *(const int32 *)b;

	return (x > y) - (x < y);
}

/* The grams of `shortest` to `longest` characters of a key, each once. */
static ArrayType *grams(text *key, int shortest, int longest)
{
	const pg_wchar *wide = widen(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	int length = 0, count = 0;
	int32 *hashes;
	Datum *datums;

	while (wide[length] != 0)
		length++;
	hashes = palloc(sizeof(*hashes) * (length * GRAM_MAX + 1));
	for (int size = shortest; size <= longest; size++)
		for (int i = 0; i + size <= length; i++)
			hashes[count++] = (int32)hash_bytes((const unsigned char *)(wide + i), sizeof(*wide) * size);
	qsort(hashes, count, sizeof(*hashes), compare_int32);
	count = qunique(hashes, count, sizeof(*hashes), compare_int32);
	datums = palloc(sizeof(*datums) * Max(count, 1));
	for (int i = 0; i < count; i++)
		datums[i] = Int32GetDatum(hashes[i]);
	return construct_array(datums, count, INT4OID, sizeof(int32), true, TYPALIGN_INT);
}

/* Those that a key is found by. */
Datum gs_name_grams(PG_FUNCTION_ARGS)
{
	PG_RETURN_ARRAYTYPE_P(grams(PG_GETARG_TEXT_PP(0), 1, GRAM_MAX));
}

/* Those that a key which contains this part certainly has: the longest ones, which are the rarest. */
Datum gs_name_part_grams(PG_FUNCTION_ARGS)
{
	text *part = PG_GETARG_TEXT_PP(0);
	int size = Min(pg_mbstrlen_with_len(VARDATA_ANY(part), VARSIZE_ANY_EXHDR(part)), GRAM_MAX);

	PG_RETURN_ARRAYTYPE_P(grams(part, Max(size, 1), Max(size, 1)));
}
