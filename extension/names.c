/* SPDX-License-Identifier: PostgreSQL */
/*
 * Syntax of names and identifiers. CHECK constraints and request bodies go through the same functions, so that a name
 * that is in a table is a name that a terminal could have sent, and the other way round.
 */
#include "postgres.h"

#include "common/unicode_norm.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "errcodes.h"
#include "location.h"
#include "names.h"

#define PHONE_DIGITS_MIN 7
#define PHONE_DIGITS_MAX 15
#define MAIL_LOCAL_MAX 64
#define MAIL_LABEL_MAX 63

PG_FUNCTION_INFO_V1(gs_normalize_identifier);
PG_FUNCTION_INFO_V1(gs_is_identifier);
PG_FUNCTION_INFO_V1(gs_is_name);
PG_FUNCTION_INFO_V1(gs_is_description);
PG_FUNCTION_INFO_V1(gs_is_share_name);
PG_FUNCTION_INFO_V1(gs_is_location);
PG_FUNCTION_INFO_V1(gs_location_distance);

static bool ascii_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_phone(const char *text, size_t size)
{
	if (size < PHONE_DIGITS_MIN + 1 || size > PHONE_DIGITS_MAX + 1 || text[0] != '+' || text[1] == '0')
		return false;
	for (size_t i = 1; i < size; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	return true;
}

/* Dot-separated runs of letters, digits and `extra`; no empty run. */
static bool dotted(const char *text, size_t size, const char *extra, size_t run_max)
{
	size_t run = 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] == '.') {
			if (run == 0)
				return false;
			run = 0;
		} else if (ascii_letter_or_digit(text[i]) || (text[i] != '\0' && strchr(extra, text[i]) != NULL)) {
			if (++run > run_max)
				return false;
		} else {
			return false;
		}
	}
	return run > 0;
}

/* The dot-atom form of RFC 5322 before the @, host name labels after it: what mail systems really hand out. */
static bool is_mail(const char *text, size_t size)
{
	const char *at = memchr(text, '@', size);
	size_t local, domain;

	if (at == NULL || size > GS_IDENTIFIER_MAX_BYTES)
		return false;
	local = at - text;
	domain = size - local - 1;
	return dotted(text, local, "!#$%&'*+-/=?^_`{|}~", MAIL_LOCAL_MAX) && local <= MAIL_LOCAL_MAX &&
		   dotted(at + 1, domain, "-", MAIL_LABEL_MAX) && at[1] != '-' && at[domain] != '-';
}

char *gs_name_identifier(const char *text, size_t size)
{
	char *kept;

	if (!is_phone(text, size) && !is_mail(text, size))
		return NULL;
	kept = pnstrdup(text, size);
	for (char *c = kept; *c != '\0'; c++)
		*c = pg_ascii_tolower((unsigned char)*c);
	return kept;
}

/* Control characters, line and paragraph separators, and the characters that reorder the text around them. */
static bool refused_char(pg_wchar c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x061c || c == 0x200e || c == 0x200f ||
		   (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static bool is_nfc(const pg_wchar *text)
{
	const pg_wchar *normal;
	bool same;

	switch (unicode_is_normalized_quickcheck(UNICODE_NFC, text)) {
	case UNICODE_NORM_QC_YES:
		return true;
	case UNICODE_NORM_QC_NO:
		return false;
	case UNICODE_NORM_QC_MAYBE:
		break;
	}
	normal = unicode_normalize(UNICODE_NFC, text);
	for (same = true; same && (*text != 0 || *normal != 0); text++, normal++)
		same = *text == *normal;
	return same;
}

/* NFC without refused characters, line feeds excepted where `lines`. */
static bool is_clean(const char *text, size_t size, bool lines)
{
	pg_wchar *wide = palloc(sizeof(*wide) * (size + 1));
	size_t count = 0;

	if (GetDatabaseEncoding() != PG_UTF8)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("groupshare needs a database in encoding UTF8")));
	for (size_t i = 0; i < size; i += pg_utf_mblen((const unsigned char *)text + i)) {
		wide[count] = utf8_to_unicode((const unsigned char *)text + i);
		if (refused_char(wide[count]) && !(lines && wide[count] == '\n'))
			return false;
		count++;
	}
	wide[count] = 0;
	return count == size || is_nfc(wide);
}

bool gs_name_valid(const char *text, size_t size)
{
	return size >= 1 && size <= GS_NAME_MAX_BYTES && is_clean(text, size, false);
}

bool gs_name_description_valid(const char *text, size_t size)
{
	return size <= GS_DESCRIPTION_MAX_BYTES && is_clean(text, size, true);
}

bool gs_name_share_valid(const char *text, size_t size)
{
	bool dots = (size == 1 && text[0] == '.') || (size == 2 && text[0] == '.' && text[1] == '.');

	return !dots && memchr(text, '/', size) == NULL && gs_name_valid(text, size);
}

Datum gs_normalize_identifier(PG_FUNCTION_ARGS)
{
	text *arg = PG_GETARG_TEXT_PP(0);
	char *kept = gs_name_identifier(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg));

	if (kept == NULL)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("not a terminal identifier"),
						errhint("Give a phone number like +8613800138000 or an e-mail address.")));
	PG_RETURN_TEXT_P(cstring_to_text(kept));
}

Datum gs_is_identifier(PG_FUNCTION_ARGS)
{
	text *arg = PG_GETARG_TEXT_PP(0);
	size_t size = VARSIZE_ANY_EXHDR(arg);
	char *kept = gs_name_identifier(VARDATA_ANY(arg), size);

	/* Only the kept form counts: a table must not hold two spellings of one terminal. */
	PG_RETURN_BOOL(kept != NULL && memcmp(kept, VARDATA_ANY(arg), size) == 0);
}

Datum gs_is_name(PG_FUNCTION_ARGS)
{
	text *arg = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(gs_name_valid(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg)));
}

Datum gs_is_description(PG_FUNCTION_ARGS)
{
	text *arg = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(gs_name_description_valid(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg)));
}

Datum gs_is_share_name(PG_FUNCTION_ARGS)
{
	text *arg = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(gs_name_share_valid(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg)));
}

Datum gs_is_location(PG_FUNCTION_ARGS)
{
	text *arg = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(gs_location_valid(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg)));
}

Datum gs_location_distance(PG_FUNCTION_ARGS)
{
	text *a = PG_GETARG_TEXT_PP(0);
	text *b = PG_GETARG_TEXT_PP(1);

	if (!gs_location_valid(VARDATA_ANY(a), VARSIZE_ANY_EXHDR(a)) ||
		!gs_location_valid(VARDATA_ANY(b), VARSIZE_ANY_EXHDR(b)))
		ereport(ERROR,
				(errcode(GS_ERR_INVALID_PARAMETER), errmsg("not a location path"),
				 errhint("Segments of a-z, 0-9, _ and - joined by slashes, such as cn/east/shanghai; at most %d.",
						 GS_LOCATION_MAX_DEPTH)));
	PG_RETURN_INT32(gs_location_hops(VARDATA_ANY(a), VARSIZE_ANY_EXHDR(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(b)));
}
